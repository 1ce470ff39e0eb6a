// Codecs: what is written is read; anything cut short or with one bit changed is refused. And
// FORMAT.md's worked example is what the code writes.

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

#include "storage/format/bytes.h"
#include "storage/format/checksum.h"
#include "storage/format/chunk.h"
#include "storage/format/index_format.h"
#include "storage/format/segment_format.h"
#include "storage/format/superblock.h"

namespace poplar::storage {
namespace {

// `decode(bytes)` says whether they are taken for sound.
template <class Decode>
void ExpectOnlyThisIsSound(const std::string& bytes, const Decode& decode, size_t step = 1) {
  ASSERT_TRUE(decode(bytes));
  for (size_t bit = 0; bit < bytes.size() * 8; bit += step) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_FALSE(decode(changed)) << "bit " << bit;
  }
  for (size_t cut = 0; cut < bytes.size(); cut += step) {
    ASSERT_FALSE(decode(bytes.substr(0, cut))) << "cut at " << cut;
  }
}

Superblock ASuperblock() {
  Superblock superblock;
  superblock.partitions = 4;
  superblock.store_id = {1, 2, 3};
  superblock.placement_seed = 99;
  superblock.created_us = 1'700'000'000'000'000;
  WriteUidlTag(12345, superblock.uidl_tag.data());
  return superblock;
}

TEST(FormatTest, Superblock) {
  const std::string block = EncodeSuperblock(ASuperblock());
  const auto back = DecodeSuperblock(block);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->partitions, 4U);
  EXPECT_EQ(back->store_id, ASuperblock().store_id);
  EXPECT_EQ(back->placement_seed, 99U);
  EXPECT_EQ(back->tag(), ASuperblock().tag());
  ExpectOnlyThisIsSound(block, [](std::string_view b) { return DecodeSuperblock(b).ok(); }, 3);
}

TEST(FormatTest, NewerVersionsAndUnknownFeaturesAreRefusedInASentence) {
  for (const size_t at : {size_t{16}, size_t{24}}) {
    std::string block = EncodeSuperblock(ASuperblock());
    StoreLe<uint32_t>(block.data() + at, 2);
    StoreLe<uint64_t>(block.data(), Checksum(std::string_view(block).substr(8)));
    EXPECT_EQ(DecodeSuperblock(block).status().code(), StatusCode::kFailedPrecondition);
  }
  std::string block = EncodeSuperblock(ASuperblock());
  StoreLe<uint32_t>(block.data() + 20, 2);  // A compatible feature.
  StoreLe<uint64_t>(block.data(), Checksum(std::string_view(block).substr(8)));
  EXPECT_TRUE(DecodeSuperblock(block).ok());
}

TEST(FormatTest, SegmentHead) {
  SegmentHead head;
  head.partition = 3;
  head.number = 17;
  head.epoch = 5;
  head.salt = 77;
  head.bytes = 1 << 20;
  const std::string block = EncodeSegmentHead(head);
  const auto back = DecodeSegmentHead(block);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->number, 17U);
  EXPECT_EQ(back->salt, 77U);
  EXPECT_EQ(back->bytes, 1U << 20);
  ExpectOnlyThisIsSound(block, [](std::string_view b) { return DecodeSegmentHead(b).ok(); }, 3);
}

TEST(FormatTest, BatchHead) {
  BatchHead head;
  head.records = 2;
  head.bytes = 1000;
  head.sequence = 9;
  head.salt = 5;
  head.flushed = Lsn(1, 4096);
  head.next_id = 12;
  const Lsn at(1, 8192);
  std::string bytes(kBatchHeadBytes, '\0');
  EncodeBatchHead(head, at, bytes.data());
  const auto back = DecodeBatchHead(bytes, at, 5);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->bytes, 1000U);
  EXPECT_EQ(back->flushed, Lsn(1, 4096));
  EXPECT_FALSE(DecodeBatchHead(bytes, Lsn(1, 12288), 5).has_value());  // Another place.
  EXPECT_FALSE(DecodeBatchHead(bytes, at, 6).has_value());             // Another segment.
  ExpectOnlyThisIsSound(
      bytes, [&](std::string_view b) { return DecodeBatchHead(b, at, std::nullopt).has_value(); });
}

TEST(FormatTest, RecordHeadOfEveryKind) {
  for (int kind = 1; kind <= 6; ++kind) {
    Record record;
    record.kind = static_cast<RecordKind>(kind);
    record.id = MessageId(42);
    record.tenant = TenantId(7);
    record.account = "alice";
    record.time_us = -5;
    record.octets = 10;
    const bool ref = record.kind == RecordKind::kAddRef || record.kind == RecordKind::kMoveRef;
    const bool add = record.kind == RecordKind::kAdd || record.kind == RecordKind::kMove;
    if (add || ref) {
      record.wire_bytes = 13;
      record.header_bytes = 4;
      record.flags = kRecordImported;
      record.text = "an-old-uidl";
    }
    if (add) record.body_bytes = 13;
    if (ref) record.reference = 88;
    if (kind >= 5) record.moved_from = Lsn(1, 4160);
    const Lsn at(2, 5000);
    std::string bytes(record.head_bytes(), '\0');
    EncodeRecordHead(record, at, 3, bytes.data());
    const auto back = DecodeRecordHead(bytes, at, 3);
    ASSERT_TRUE(back.has_value()) << kind;
    EXPECT_EQ(back->id, MessageId(42));
    EXPECT_EQ(back->account, "alice");
    EXPECT_EQ(back->text, record.text);
    EXPECT_EQ(back->time_us, -5);
    EXPECT_EQ(back->moved_from, record.moved_from);
    EXPECT_EQ(back->reference, record.reference);
    EXPECT_FALSE(DecodeRecordHead(bytes, at, 4).has_value());
    EXPECT_FALSE(DecodeRecordHead(bytes, Lsn(2, 5008), 3).has_value());
    ExpectOnlyThisIsSound(
        bytes, [&](std::string_view b) { return DecodeRecordHead(b, at, 3).has_value(); });
  }
}

TEST(FormatTest, Chunk) {
  Chunk chunk;
  for (uint64_t i = 1; i <= kChunkEntriesMax; ++i) {
    MessageEntry entry;
    entry.id = MessageId(i * 3);
    entry.lsn = Lsn(1, i * 100);
    entry.wire_bytes = 50;
    if (i % 4 == 0) {
      entry.flags = kEntryImported;
      entry.uidl_bytes = 5;
      chunk.texts += "uid" + std::to_string(10 + i);
    }
    chunk.entries.push_back(entry);
  }
  const std::string value = EncodeChunk("key", chunk);
  const auto back = DecodeChunk("key", value);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, chunk);
  EXPECT_EQ(back->Text(7), "uid18");
  ExpectOnlyThisIsSound(value, [](std::string_view b) { return DecodeChunk("key", b).ok(); });
  EXPECT_FALSE(DecodeChunk("kez", value).ok());
}

TEST(FormatTest, IndexValues) {
  IndexMeta meta;
  meta.partition = 2;
  meta.epoch = 7;
  meta.checkpoint = Lsn(3, 8192);
  meta.next_id = 100;
  meta.known_us = 1'700'000'000'000'000;
  const auto meta_back = DecodeIndexMeta(EncodeIndexMeta(meta));
  ASSERT_TRUE(meta_back.ok());
  EXPECT_EQ(meta_back->checkpoint, meta.checkpoint);
  EXPECT_EQ(meta_back->next_id, 100U);
  EXPECT_EQ(meta_back->known_us, meta.known_us);
  ExpectOnlyThisIsSound(EncodeIndexMeta(meta),
                        [](std::string_view b) { return DecodeIndexMeta(b).ok(); });
  const IndexTotals totals{3, 100, 120, MessageId(9), 1};
  EXPECT_EQ(*DecodeIndexTotals("key", EncodeIndexTotals("key", totals)), totals);
  const TenantTotals tenant{1, 2, 3, 4};
  EXPECT_EQ(*DecodeTenantTotals("key", EncodeTenantTotals("key", tenant)), tenant);
  const SegmentStats stats{1, 2, 3, 4, 5, true};
  EXPECT_EQ(*DecodeSegmentStats("key", EncodeSegmentStats("key", stats)), stats);
  EXPECT_EQ(*DecodeIndexBlob("key", EncodeIndexBlob("key", BlobId(9))), BlobId(9));
  // Under another key it is not sound.
  for (const std::string key : {"key", "kez", ""}) {
    const auto sound = [&](std::string_view b) {
      return DecodeIndexTotals(key, b).ok() || DecodeTenantTotals(key, b).ok() ||
             DecodeSegmentStats(key, b).ok() || DecodeIndexBlob(key, b).ok();
    };
    for (const std::string& value :
         {EncodeIndexTotals("key", totals), EncodeTenantTotals("key", tenant),
          EncodeSegmentStats("key", stats), EncodeIndexBlob("key", BlobId(9))}) {
      EXPECT_EQ(sound(value), key == "key");
      if (key == "key") ExpectOnlyThisIsSound(value, sound);
    }
  }
}

TEST(FormatTest, UidlsReadBack) {
  for (const uint64_t id : {uint64_t{0}, uint64_t{1}, uint64_t{0x6554e18000000002}, UINT64_MAX}) {
    std::string uidl(kOwnUidlBytes, '\0');
    WriteUidl("abc234z", 17, MessageId(id), uidl.data());
    EXPECT_EQ(ReadUidl("abc234z", 17, uidl), MessageId(id));
    EXPECT_FALSE(ReadUidl("abc234y", 17, uidl).has_value());
    EXPECT_FALSE(ReadUidl("abc234z", 18, uidl).has_value());
    EXPECT_FALSE(ReadUidl("abc234z", 17, uidl + "a").has_value());
    EXPECT_FALSE(ReadUidl("abc234z", 17, uidl.substr(0, 21)).has_value());
    uidl.back() = 'A';
    EXPECT_FALSE(ReadUidl("abc234z", 17, uidl).has_value());
  }
  // More than 64 bits: nobody gave it.
  EXPECT_FALSE(ReadUidl("abcdefg", 0, "abcdefgaa7777777777777").has_value());
}

TEST(FormatTest, UidlsAreUniqueSortedAndPlain) {
  std::set<std::string> seen;
  for (uint64_t id : {uint64_t{1}, FirstIdOf(1), FirstIdOf(2), FirstIdOf(2) + 31, FirstIdOf(2) + 32,
                      FirstIdOf(1'700'000'000), UINT64_MAX}) {
    std::string uidl(kOwnUidlBytes, '\0');
    WriteUidl("abcdefg", 0, MessageId(id), uidl.data());
    EXPECT_TRUE(seen.insert(uidl).second);
    WriteUidl("abcdefg", 998, MessageId(id), uidl.data());
    EXPECT_TRUE(seen.insert(uidl).second);
    EXPECT_EQ(uidl.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"), std::string::npos);
    EXPECT_LE(uidl.size(), kUidlBytesMax);
  }
}

TEST(FormatTest, MaildropKeys) {
  const MaildropKey key{TenantId(5), "alice"};
  EXPECT_EQ(DecodeMaildropKey(EncodeMaildropKey(key)), key);
  EXPECT_NE(EncodeMaildropKey({TenantId(5), "a"}), EncodeMaildropKey({TenantId(5), "b"}));
  EXPECT_TRUE(DecodeMaildropKey("short").account.empty());
  EXPECT_TRUE(DecodeMaildropKey(EncodeMaildropKey(key) + "x").account.empty());
}

TEST(FormatTest, PlacementIsStableAndEven) {
  Superblock superblock = ASuperblock();
  std::vector<int> counts(4);
  for (int i = 0; i < 4000; ++i) {
    ++counts[PlacePartition(superblock, {TenantId(1), "user" + std::to_string(i)})];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
  // A build that places elsewhere loses mail.
  EXPECT_EQ(PlacePartition(superblock, {TenantId(1), "alice"}), 0U);
}

std::string Dump(std::string_view bytes, uint64_t offset) {
  std::string text;
  for (size_t line = 0; line < bytes.size(); line += 16) {
    char part[16];
    std::snprintf(part, sizeof part, "%06zx ", static_cast<size_t>(offset + line));
    text += part;
    for (size_t i = line; i < std::min(line + 16, bytes.size()); ++i) {
      std::snprintf(part, sizeof part, " %02x", static_cast<unsigned char>(bytes[i]));
      text += part;
    }
    text += "\n";
  }
  return text;
}

// Section 9 of FORMAT.md: one batch with a delivery and a session's deletion.
TEST(FormatTest, WorkedExample) {
  constexpr uint64_t kSalt = 0x0123456789abcdef;
  const std::string body = "Subject: hi\r\n\r\nHello\r\n.\r\n";
  std::string ids(kExpungedBytes, '\0');
  EncodeExpunged({MessageId(0x6554e180'00000001), Lsn(3, 0x1040)}, ids.data());
  Record add;
  add.id = MessageId(0x6554e180'00000002);
  add.tenant = TenantId(7);
  add.account = "alice";
  add.time_us = 1'700'061'568'000'000;
  add.octets = static_cast<uint32_t>(body.size() - 3);
  add.wire_bytes = add.body_bytes = static_cast<uint32_t>(body.size());
  add.header_bytes = 15;
  add.body_checksum = Checksum(body);
  Record expunge;
  expunge.kind = RecordKind::kExpunge;
  expunge.tenant = TenantId(7);
  expunge.account = "alice";
  expunge.time_us = 1'700'061'568'000'100;
  expunge.reference = 12;
  expunge.body_bytes = kExpungedBytes;
  expunge.body_checksum = Checksum(ids);

  std::string batch(kBatchHeadBytes, '\0');
  for (const auto& [record, bytes] : {std::pair(add, body), std::pair(expunge, ids)}) {
    std::string head(record.head_bytes(), '\0');
    EncodeRecordHead(record, Lsn(3, 8192 + batch.size()), kSalt, head.data());
    batch += head + bytes;
    batch.resize(RoundUp(batch.size(), 8), '\0');
  }
  BatchHead head;
  head.records = 2;
  head.bytes = static_cast<uint32_t>(batch.size());
  head.sequence = 2;
  head.salt = kSalt;
  head.flushed = Lsn(3, 8192);
  head.next_id = 0x6554e180'00000003;
  head.time_us = 1'700'061'568'000'200;
  EncodeBatchHead(head, Lsn(3, 8192), batch.data());

  std::ifstream file(POPLAR_FORMAT_MD);
  std::stringstream page;
  page << file.rdbuf();
  const std::string dump = Dump(batch, 8192);
  EXPECT_NE(page.str().find(dump), std::string::npos) << "FORMAT.md should show\n" << dump;
}

}  // namespace
}  // namespace poplar::storage
