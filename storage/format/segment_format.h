// Segment heads, batch heads and records: what a partition's log is made of (FORMAT.md section 4).
// Pure bytes in, values out; decoding believes nothing. Any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.h"
#include "storage/format/superblock.h"

namespace poplar::storage {

inline constexpr uint32_t kFirstBatchOffset = kBlockBytes;
inline constexpr uint32_t kBatchHeadBytes = 64;
inline constexpr uint32_t kRecordFixedBytes = 80;
inline constexpr uint32_t kRecordHeadBytesMax =
    kRecordFixedBytes + kAccountIdBytesMax + kUidlBytesMax;
inline constexpr uint64_t kSegmentBytesMax = 2 * kGiB;

constexpr uint64_t RoundUp(uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; }

struct SegmentHead {
  StoreId store_id{};
  uint32_t partition = 0;
  uint32_t number = 0;
  uint32_t epoch = 0;
  uint64_t salt = 0;
  uint64_t bytes = 0;
  int64_t created_us = 0;
};

// kBlockBytes long.
std::string EncodeSegmentHead(const SegmentHead& head);
// Errors as DecodeSuperblock.
StatusOr<SegmentHead> DecodeSegmentHead(std::string_view block);

struct BatchHead {
  uint32_t records = 0;
  uint32_t bytes = 0;  // Head and records, unpadded.
  uint32_t sequence = 0;
  uint64_t salt = 0;
  Lsn flushed;
  uint64_t next_id = 0;
  int64_t time_us = 0;
};

void EncodeBatchHead(const BatchHead& head, Lsn at, char* into);
// Nothing unless it is a sound batch head, written for this place. With `salt` given, also only if
// it has this salt.
std::optional<BatchHead> DecodeBatchHead(std::string_view bytes, Lsn at,
                                         std::optional<uint64_t> salt);

enum class RecordKind : uint8_t {
  kAdd = 1,
  kAddRef = 2,
  kExpunge = 3,
  kRemove = 4,
  kMove = 5,
  kMoveRef = 6,
};

enum RecordFlags : uint8_t {
  kRecordFlagNone = 0,
  kRecordImported = 1,
  kRecordCarried = 2,
};

struct Record {
  RecordKind kind = RecordKind::kAdd;
  uint8_t flags = kRecordFlagNone;
  MessageId id{0};
  TenantId tenant{0};
  int64_t time_us = 0;
  uint64_t body_checksum = 0;
  uint64_t reference = 0;
  Lsn moved_from;
  uint32_t octets = 0;
  uint32_t wire_bytes = 0;
  uint32_t header_bytes = 0;
  std::string_view account;
  std::string_view uidl;
  std::string_view body;  // Empty while only the head was decoded.
  uint32_t body_bytes = 0;

  uint32_t head_bytes() const {
    return kRecordFixedBytes + static_cast<uint32_t>(account.size() + uidl.size());
  }
  bool carried() const { return (flags & kRecordCarried) != 0; }
  // With its padding.
  uint64_t log_bytes() const { return RoundUp(head_bytes() + uint64_t{body_bytes}, 8); }
};

// Writes record.head_bytes(). REQUIRES: account and uidl within their limits.
void EncodeRecordHead(const Record& record, Lsn at, uint64_t salt, char* into);
// Nothing unless `bytes` begins with a sound record head of this place. The views point into
// `bytes`.
std::optional<Record> DecodeRecordHead(std::string_view bytes, Lsn at, uint64_t salt);

// One message in the body of an EXPUNGE, and where its record stood when it was deleted: while that
// segment is on disk, a rebuild of the index needs the EXPUNGE.
struct Expunged {
  MessageId id{0};
  Lsn stood_at;
};

inline constexpr uint32_t kExpungedBytes = 16;

// Writes kExpungedBytes.
void EncodeExpunged(const Expunged& expunged, char* into);
// All of a body.
std::vector<Expunged> DecodeExpunged(std::string_view body);

// Bytes between head and end that DecodeRecordHead needs at most are kRecordHeadBytesMax.
bool BodyIsSound(const Record& record, std::string_view body);

}  // namespace poplar::storage
