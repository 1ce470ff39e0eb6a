// Golden text: what an operator reads of bytes that the test knows.

#include "storage/tools/dump.h"

#include <fstream>

#include "storage/format/checksum.h"
#include "storage/format/segment_format.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kSalt = 0x0123456789abcdef;
constexpr uint32_t kSegment = 3;

std::string Padded(std::string bytes, uint64_t to) {
  bytes.resize(RoundUp(bytes.size(), to), '\0');
  return bytes;
}

std::string ExpungedBody(uint64_t count) {
  std::string body(count * kExpungedBytes, '\0');
  for (uint64_t i = 0; i < count; ++i) {
    EncodeExpunged({MessageId(FirstIdOf(0x6554e180) + i), Lsn(1, 0x1040 + 8 * i)},
                   &body[i * kExpungedBytes]);
  }
  return body;
}

// A segment with one batch of every kind of record.
std::string MakeSegment() {
  SegmentHead head;
  for (size_t i = 0; i < head.store_id.size(); ++i) head.store_id[i] = static_cast<char>(i);
  head.partition = 5;
  head.number = kSegment;
  head.epoch = 0x6554e180;
  head.salt = kSalt;
  head.bytes = 4 * kBlockBytes;
  head.created_us = 1'700'000'000'000'000;
  std::string batch(kBatchHeadBytes, '\0');
  uint32_t records = 0;
  const auto add = [&](Record record, const std::string& body, const std::string& blob = "") {
    record.time_us = 1'700'000'000'000'100 + records;
    record.body_bytes = static_cast<uint32_t>(body.size());
    record.body_checksum = Checksum(blob.empty() ? body : blob);
    std::string bytes(record.head_bytes(), '\0');
    EncodeRecordHead(record, Lsn(kSegment, kFirstBatchOffset + batch.size()), kSalt, bytes.data());
    batch += Padded(bytes + body, 8);
    ++records;
  };
  Record record;
  record.tenant = TenantId(7);
  record.account = "alice";
  record.id = MessageId(FirstIdOf(0x6554e180));
  record.octets = 22;
  record.wire_bytes = 25;
  record.header_bytes = 15;
  add(record, "Subject: hi\r\n\r\nHello\r\n.\r\n");
  record.id = MessageId(record.id.value() + 1);
  record.kind = RecordKind::kMove;
  record.flags = kRecordImported;
  record.text = "old!uidl";
  record.moved_from = Lsn(1, 0x1040);
  add(record, "Subject: ho\r\n\r\nHello\r\n.\r\n");
  record = {};
  record.kind = RecordKind::kAddRef;
  record.tenant = TenantId(7);
  record.account = "b\xc3\xb6 b\\";
  record.id = MessageId(FirstIdOf(0x6554e180) + 2);
  record.reference = FirstIdOf(0x6554e180);
  record.octets = record.wire_bytes = 2'000'000;
  record.header_bytes = 10;
  add(record, "", "blob");
  record = {};
  record.kind = RecordKind::kExpunge;
  record.tenant = TenantId(7);
  record.account = "alice";
  record.reference = 12;
  add(record, ExpungedBody(9));
  record.kind = RecordKind::kRemove;
  record.flags = kRecordCarried;
  record.reference = 0;
  record.moved_from = Lsn(2, 0x1080);
  record.id = MessageId(FirstIdOf(0x6554e180) + 11);
  add(record, "");
  BatchHead batch_head;
  batch_head.records = records;
  batch_head.bytes = static_cast<uint32_t>(batch.size());
  batch_head.sequence = 1;
  batch_head.salt = kSalt;
  batch_head.flushed = Lsn(2, 0x2000);
  batch_head.next_id = FirstIdOf(0x6554e180) + 12;
  batch_head.time_us = 1'700'000'000'000'200;
  EncodeBatchHead(batch_head, Lsn(kSegment, kFirstBatchOffset), batch.data());
  return Padded(Padded(EncodeSegmentHead(head) + batch, kBlockBytes), 4 * kBlockBytes);
}

constexpr const char* kHeadLine =
    "segment 00000003 partition=5 epoch=6554e180 bytes=16384 created_us=1700000000000000 "
    "salt=0123456789abcdef store=000102030405060708090a0b0c0d0e0f checksum=ok\n";
constexpr const char* kBatchLine =
    "00000003:00001000 batch 1 records=5 bytes=704 flushed=00000002:00002000 "
    "next_id=6554e180-d time_us=1700000000000200\n";
constexpr const char* kAddLine =
    "00000003:00001040   ADD id=6554e180-1 tenant=7 account=alice head=85 body=25 "
    "time_us=1700000000000100 octets=22 wire=25 header=15 checksum=ok\n";
constexpr const char* kRestLines =
    "00000003:00001128   ADD_REF id=6554e180-3 tenant=7 account=b\\xc3\\xb6\\x20b\\\\ head=86 "
    "body=0 "
    "time_us=1700000000000102 octets=2000000 wire=2000000 header=10 "
    "blob=6554e180/00000001.blob checksum=ok\n";
constexpr const char* kExpungeLine =
    "00000003:00001180   EXPUNGE tenant=7 account=alice head=85 body=144 time_us=1700000000000103 "
    "session=12 deleted=9 ids=6554e180-1@00000001:00001040,6554e180-2@00000001:00001048,"
    "6554e180-3@00000001:00001050,6554e180-4@00000001:00001058,... checksum=ok\n";
constexpr const char* kRemoveLine =
    "00000003:00001268   REMOVE id=6554e180-c tenant=7 account=alice head=85 body=0 "
    "time_us=1700000000000104 from=00000002:00001080 carried checksum=ok\n";
constexpr const char* kMoveLine =
    "00000003:000010b0   MOVE id=6554e180-2 tenant=7 account=alice head=93 body=25 "
    "time_us=1700000000000101 octets=22 wire=25 header=15 from=00000001:00001040 uidl=old!uidl "
    "checksum=ok\n";

class DumpTest : public testing::Test {
 protected:
  std::string Dump(const std::string& bytes, bool bodies = false,
                   const std::string& name = "00000003.seg") {
    std::string path = folder_.path() + "/";
    path += name;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    std::string text;
    const auto report = DumpSegment({.file = path, .bodies = bodies}, [&](std::string_view line) {
      text += line;
      text += '\n';
    });
    EXPECT_TRUE(report.ok()) << report.status();
    damages_ = report.ok() ? report->damages : 0;
    return text;
  }

  TemporaryFolder folder_;
  uint64_t damages_ = 0;
};

TEST_F(DumpTest, ASegment) {
  EXPECT_EQ(Dump(MakeSegment()), std::string(kHeadLine) + kBatchLine + kAddLine + kMoveLine +
                                     kRestLines + kExpungeLine + kRemoveLine +
                                     "end 00000003:00002000 batches=1 records=5 damages=0\n");
  EXPECT_EQ(damages_, 0U);
}

TEST_F(DumpTest, BodiesOnlyWhereTheyAreAskedFor) {
  const std::string text = Dump(MakeSegment(), true);
  EXPECT_NE(text.find(std::string(kAddLine) + "    | Subject: hi\n    | \n    | Hello\n    | .\n" +
                      kMoveLine),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(",6554e180-9@00000001:00001080 checksum=ok"), std::string::npos) << text;
  EXPECT_EQ(Dump(MakeSegment()).find("Hello"), std::string::npos);
}

TEST_F(DumpTest, ADamagedBody) {
  std::string bytes = MakeSegment();
  bytes[0x1040 + 100] ^= 1;
  EXPECT_EQ(Dump(bytes), std::string(kHeadLine) + kBatchLine +
                             "00000003:00001040   DAMAGED the body of a record is damaged, 112 "
                             "octets id=6554e180-1 tenant=7 account=alice\n" +
                             kMoveLine + kRestLines + kExpungeLine + kRemoveLine +
                             "end 00000003:00002000 batches=1 records=4 damages=1\n");
  EXPECT_EQ(damages_, 1U);
}

TEST_F(DumpTest, ADamagedRecordHead) {
  std::string bytes = MakeSegment();
  bytes[0x10b0 + 20] ^= 1;
  EXPECT_EQ(Dump(bytes),
            std::string(kHeadLine) + kBatchLine + kAddLine +
                "00000003:000010b0   DAMAGED the head of a record is damaged, 120 octets\n" +
                kRestLines + kExpungeLine + kRemoveLine +
                "end 00000003:00002000 batches=1 records=4 damages=1\n");
}

TEST_F(DumpTest, ADamagedBatchHeadAndSegmentHead) {
  std::string bytes = MakeSegment();
  bytes[0x1000 + 20] ^= 1;
  const std::string text = Dump(bytes);
  EXPECT_NE(text.find("00000003:00001000   DAMAGED no batch can be read here, "), std::string::npos)
      << text;
  EXPECT_NE(text.find(kAddLine), std::string::npos) << text;
  EXPECT_NE(text.find(kRemoveLine), std::string::npos) << text;
  // The salt stands in the first batch, which fits only the number that it was written under.
  bytes = MakeSegment();
  bytes[40] ^= 1;
  EXPECT_EQ(Dump(bytes), std::string("DAMAGED segment head: not sound\n") + kBatchLine + kAddLine +
                             kMoveLine + kRestLines + kExpungeLine + kRemoveLine +
                             "end 00000003:00002000 batches=1 records=5 damages=1\n");
  Dump(bytes, false, "copy");
  EXPECT_EQ(damages_, 2U);
}

TEST_F(DumpTest, ASegmentThatTheLogHasLeft) {
  const std::string text = Dump(MakeSegment().substr(0, 0x2000));
  EXPECT_NE(text.find("cut to 8192 octets\n"), std::string::npos) << text;
  EXPECT_NE(text.find(kAddLine), std::string::npos) << text;
  EXPECT_EQ(damages_, 0U) << text;
}

TEST_F(DumpTest, AFileThatIsCutShort) {
  const std::string text = Dump(MakeSegment().substr(0, 0x1100));
  EXPECT_NE(text.find("DAMAGED the file has 4352 octets\n"), std::string::npos) << text;
  EXPECT_NE(text.find(kAddLine), std::string::npos) << text;
  EXPECT_NE(Dump("").find("DAMAGED"), std::string::npos);
  EXPECT_NE(Dump(std::string(9000, 'x')).find("DAMAGED"), std::string::npos);
}

TEST_F(DumpTest, AMaildrop) {
  StoreFixture fixture(1);
  ASSERT_TRUE(fixture.Create(folder_.path() + "/store", 3).ok());
  ASSERT_TRUE(fixture.Open(SmallStoreOptions(folder_.path() + "/store")).ok());
  fixture.MustDeliver(0, Key("alice"), MakeMessage(1));
  fixture.MustDeliver(0, Key("alice"), MakeMessage(2, 2 * kMiB));
  const std::vector<Listed> listed = fixture.List(0, Key("alice"));
  ASSERT_TRUE(fixture.Close().ok());
  std::vector<std::string> lines;
  const LineWriter keep = [&](std::string_view line) { lines.emplace_back(line); };
  const DumpMaildropOptions options{.path = folder_.path() + "/store", .maildrop = Key("alice")};
  const auto report = DumpMaildrop(options, keep);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].find("maildrop tenant=1 account=alice partition="), 0U) << lines[0];
  EXPECT_NE(lines[0].find(" messages=2 "), std::string::npos) << lines[0];
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NE(lines[i + 1].find(" uidl=" + listed[i].uidl), std::string::npos) << lines[i + 1];
    EXPECT_NE(lines[i + 1].find(" wire=" + std::to_string(listed[i].wire.size()) + " "),
              std::string::npos);
    EXPECT_NE(lines[i + 1].find(" received_us=1700000000000000 "), std::string::npos);
  }
  EXPECT_NE(lines[2].find(".blob "), std::string::npos) << lines[2];
  DumpMaildropOptions nobody = options;
  nobody.maildrop = Key("nobody");
  EXPECT_EQ(DumpMaildrop(nobody, keep).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace poplar::storage
