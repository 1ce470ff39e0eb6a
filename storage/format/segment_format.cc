#include "storage/format/segment_format.h"

#include "core/base/check.h"
#include "storage/format/bytes.h"
#include "storage/format/checksum.h"

namespace poplar::storage {
namespace {

constexpr std::string_view kSegmentMagic = "POPLSEGM";
constexpr std::string_view kBatchMagic = "PBT1";

uint64_t SeedOf(uint64_t salt, Lsn at) { return salt ^ at.value(); }

bool IsMove(RecordKind kind) { return kind == RecordKind::kMove || kind == RecordKind::kMoveRef; }

// Whether the record stands for one that stood elsewhere before.
bool NamesOrigin(const Record& record) {
  if (record.kind == RecordKind::kRemove) return record.carried();
  return IsMove(record.kind) || (record.flags & kRecordRestored) != 0;
}

// Whether its flags are some that its kind may have.
bool FlagsAgree(const Record& record) {
  uint8_t allowed = kRecordCarried;
  if (record.is_message()) allowed |= kRecordImported;
  if (IsMove(record.kind)) {
    allowed |= kRecordKept | kRecordRead;
  } else if (record.is_message()) {
    allowed |= kRecordRestored;
  }
  if (record.kind == RecordKind::kExpunge) allowed |= kRecordKept | kRecordPurge;
  return (record.flags & ~allowed) == 0;
}

// What the kinds promise of their fields.
bool FieldsAgree(const Record& record) {
  if (!NamesOrigin(record) && record.moved_from != Lsn()) return false;
  if (!FlagsAgree(record)) return false;
  if (((record.flags & kRecordImported) != 0) != !record.uidl().empty()) return false;
  switch (record.kind) {
    case RecordKind::kAdd:
    case RecordKind::kMove:
      return record.body_bytes == record.wire_bytes && record.header_bytes <= record.wire_bytes &&
             record.reference == 0;
    case RecordKind::kAddRef:
    case RecordKind::kMoveRef:
      return record.body_bytes == 0 && record.header_bytes <= record.wire_bytes &&
             record.reference != 0;
    case RecordKind::kExpunge:
      return record.body_bytes % kExpungedBytes == 0;
    case RecordKind::kRead:
      return record.body_bytes % kReadIdBytes == 0 && record.reference == 0;
    case RecordKind::kRemove:
      return record.body_bytes == 0 && record.reference == 0;
  }
  return false;
}

}  // namespace

std::string EncodeSegmentHead(const SegmentHead& head) {
  std::string block(kBlockBytes, '\0');
  char* at = block.data();
  std::memcpy(at + 8, kSegmentMagic.data(), kSegmentMagic.size());
  StoreLe<uint32_t>(at + 16, kFormatVersion);
  StoreLe<uint32_t>(at + 28, head.partition);
  std::memcpy(at + 32, head.store_id.data(), head.store_id.size());
  StoreLe<uint32_t>(at + 48, head.number);
  StoreLe<uint32_t>(at + 52, head.epoch);
  StoreLe<uint64_t>(at + 56, head.salt);
  StoreLe<uint64_t>(at + 64, head.bytes);
  StoreLe<int64_t>(at + 72, head.created_us);
  StoreLe<uint64_t>(at, Checksum(std::string_view(block).substr(8)));
  return block;
}

StatusOr<SegmentHead> DecodeSegmentHead(std::string_view block) {
  if (block.size() != kBlockBytes || block.substr(8, kSegmentMagic.size()) != kSegmentMagic ||
      LoadLe<uint64_t>(block.data()) != Checksum(block.substr(8))) {
    return MakeStatus(StatusCode::kDataLoss, "segment head: not sound");
  }
  const char* at = block.data();
  POP_RETURN_IF_ERROR(
      CheckVersion(LoadLe<uint32_t>(at + 16), LoadLe<uint32_t>(at + 24), "segment"));
  SegmentHead head;
  head.partition = LoadLe<uint32_t>(at + 28);
  std::memcpy(head.store_id.data(), at + 32, head.store_id.size());
  head.number = LoadLe<uint32_t>(at + 48);
  head.epoch = LoadLe<uint32_t>(at + 52);
  head.salt = LoadLe<uint64_t>(at + 56);
  head.bytes = LoadLe<uint64_t>(at + 64);
  head.created_us = LoadLe<int64_t>(at + 72);
  return head;
}

void EncodeBatchHead(const BatchHead& head, Lsn at, char* into) {
  std::memset(into, 0, kBatchHeadBytes);
  std::memcpy(into + 8, kBatchMagic.data(), kBatchMagic.size());
  StoreLe<uint32_t>(into + 12, head.records);
  StoreLe<uint32_t>(into + 16, head.bytes);
  StoreLe<uint32_t>(into + 20, head.sequence);
  StoreLe<uint64_t>(into + 24, head.salt);
  StoreLe<uint64_t>(into + 32, head.flushed.value());
  StoreLe<uint64_t>(into + 40, head.next_id);
  StoreLe<int64_t>(into + 48, head.time_us);
  StoreLe<uint64_t>(into, Checksum({into + 8, kBatchHeadBytes - 8}, SeedOf(head.salt, at)));
}

std::optional<BatchHead> DecodeBatchHead(std::string_view bytes, Lsn at,
                                         std::optional<uint64_t> salt) {
  if (bytes.size() < kBatchHeadBytes || bytes.substr(8, kBatchMagic.size()) != kBatchMagic) {
    return std::nullopt;
  }
  const char* from = bytes.data();
  BatchHead head;
  head.records = LoadLe<uint32_t>(from + 12);
  head.bytes = LoadLe<uint32_t>(from + 16);
  head.sequence = LoadLe<uint32_t>(from + 20);
  head.salt = LoadLe<uint64_t>(from + 24);
  head.flushed = Lsn(LoadLe<uint64_t>(from + 32));
  head.next_id = LoadLe<uint64_t>(from + 40);
  head.time_us = LoadLe<int64_t>(from + 48);
  if (salt.has_value() && *salt != head.salt) return std::nullopt;
  if (LoadLe<uint64_t>(from) != Checksum({from + 8, kBatchHeadBytes - 8}, SeedOf(head.salt, at))) {
    return std::nullopt;
  }
  if (head.records == 0 || head.sequence == 0 || head.flushed > at ||
      head.bytes < kBatchHeadBytes + kRecordFixedBytes || head.bytes > kSegmentBytesMax) {
    return std::nullopt;
  }
  return head;
}

void EncodeRecordHead(const Record& record, Lsn at, uint64_t salt, char* into) {
  POP_CHECK(!record.account.empty() && record.account.size() <= kAccountIdBytesMax);
  POP_CHECK(record.uidl().size() <= kUidlBytesMax);
  const uint32_t head_bytes = record.head_bytes();
  into[8] = static_cast<char>(record.kind);
  into[9] = static_cast<char>(record.flags);
  StoreLe<uint16_t>(into + 10, static_cast<uint16_t>(head_bytes));
  StoreLe<uint32_t>(into + 12, record.body_bytes);
  StoreLe<uint64_t>(into + 16, record.id.value());
  StoreLe<uint64_t>(into + 24, record.tenant.value());
  StoreLe<int64_t>(into + 32, record.time_us);
  StoreLe<uint64_t>(into + 40, record.body_checksum);
  StoreLe<uint64_t>(into + 48, record.reference);
  StoreLe<uint64_t>(into + 56, record.moved_from.value());
  StoreLe<uint32_t>(into + 64, record.octets);
  StoreLe<uint32_t>(into + 68, record.wire_bytes);
  StoreLe<uint32_t>(into + 72, record.header_bytes);
  into[76] = static_cast<char>(record.account.size());
  into[77] = static_cast<char>(record.uidl().size());
  StoreLe<uint16_t>(into + 78, record.day);
  std::memcpy(into + kRecordFixedBytes, record.account.data(), record.account.size());
  if (!record.text.empty()) {
    std::memcpy(into + kRecordFixedBytes + record.account.size(), record.text.data(),
                record.text.size());
  }
  StoreLe<uint64_t>(into, Checksum({into + 8, head_bytes - 8}, SeedOf(salt, at)));
}

std::optional<Record> DecodeRecordHead(std::string_view bytes, Lsn at, uint64_t salt) {
  if (bytes.size() < kRecordFixedBytes) return std::nullopt;
  const char* from = bytes.data();
  const auto kind = static_cast<uint8_t>(from[8]);
  const uint32_t head_bytes = LoadLe<uint16_t>(from + 10);
  const uint32_t account_bytes = static_cast<uint8_t>(from[76]);
  const uint32_t uidl_bytes = static_cast<uint8_t>(from[77]);
  if (kind < 1 || kind > static_cast<uint8_t>(RecordKind::kRead) || account_bytes == 0 ||
      account_bytes > kAccountIdBytesMax || uidl_bytes > kUidlBytesMax) {
    return std::nullopt;
  }
  Record record;
  record.kind = static_cast<RecordKind>(kind);
  record.flags = static_cast<uint8_t>(from[9]);
  const uint32_t text_bytes = uidl_bytes + (record.kept_message() ? kKeptInfoBytes : 0) +
                              (record.restored() ? kRestoredIdBytes : 0);
  if (head_bytes != kRecordFixedBytes + account_bytes + text_bytes || head_bytes > bytes.size()) {
    return std::nullopt;
  }
  if (LoadLe<uint64_t>(from) != Checksum({from + 8, head_bytes - 8}, SeedOf(salt, at))) {
    return std::nullopt;
  }
  record.body_bytes = LoadLe<uint32_t>(from + 12);
  record.id = MessageId(LoadLe<uint64_t>(from + 16));
  record.tenant = TenantId(LoadLe<uint64_t>(from + 24));
  record.time_us = LoadLe<int64_t>(from + 32);
  record.body_checksum = LoadLe<uint64_t>(from + 40);
  record.reference = LoadLe<uint64_t>(from + 48);
  record.moved_from = Lsn(LoadLe<uint64_t>(from + 56));
  record.octets = LoadLe<uint32_t>(from + 64);
  record.wire_bytes = LoadLe<uint32_t>(from + 68);
  record.header_bytes = LoadLe<uint32_t>(from + 72);
  record.day = LoadLe<uint16_t>(from + 78);
  record.account = bytes.substr(kRecordFixedBytes, account_bytes);
  record.text = bytes.substr(kRecordFixedBytes + account_bytes, text_bytes);
  if (!FieldsAgree(record)) return std::nullopt;
  return record;
}

MessageId Record::restores() const { return MessageId(LoadLe<uint64_t>(text.data())); }

std::string EncodeRestoredId(MessageId id) {
  std::string bytes(kRestoredIdBytes, '\0');
  StoreLe<uint64_t>(bytes.data(), id.value());
  return bytes;
}

std::string EncodeReadIds(std::span<const MessageId> ids) {
  std::string body(ids.size() * kReadIdBytes, '\0');
  for (size_t i = 0; i < ids.size(); ++i) {
    StoreLe<uint64_t>(&body[i * kReadIdBytes], ids[i].value());
  }
  return body;
}

std::vector<MessageId> DecodeReadIds(std::string_view body) {
  std::vector<MessageId> ids;
  ids.reserve(body.size() / kReadIdBytes);
  for (size_t at = 0; at + kReadIdBytes <= body.size(); at += kReadIdBytes) {
    ids.emplace_back(LoadLe<uint64_t>(body.data() + at));
  }
  return ids;
}

void EncodeExpunged(const Expunged& expunged, char* into) {
  StoreLe<uint64_t>(into, expunged.id.value());
  StoreLe<uint64_t>(into + 8, expunged.stood_at.value());
}

std::vector<Expunged> DecodeExpunged(std::string_view body) {
  std::vector<Expunged> expunged;
  expunged.reserve(body.size() / kExpungedBytes);
  for (size_t at = 0; at + kExpungedBytes <= body.size(); at += kExpungedBytes) {
    expunged.push_back({MessageId(LoadLe<uint64_t>(body.data() + at)),
                        Lsn(LoadLe<uint64_t>(body.data() + at + 8))});
  }
  return expunged;
}

bool BodyIsSound(const Record& record, std::string_view body) {
  if (record.in_blob()) return true;  // The blob's checksum.
  return body.size() == record.body_bytes && Checksum(body) == record.body_checksum;
}

}  // namespace poplar::storage
