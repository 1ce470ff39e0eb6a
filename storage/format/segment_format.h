// Segment heads, batch heads and records: what a partition's log is made of (FORMAT.md section 4).
// Pure bytes in, values out; decoding believes nothing. Any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.h"
#include "storage/format/chunk.h"
#include "storage/format/superblock.h"

namespace poplar::storage {

inline constexpr uint32_t kFirstBatchOffset = kBlockBytes;
inline constexpr uint32_t kBatchHeadBytes = 64;
inline constexpr uint32_t kRecordFixedBytes = 80;
inline constexpr uint32_t kRecordHeadBytesMax =
    kRecordFixedBytes + kAccountIdBytesMax + kKeptInfoBytes + kUidlBytesMax;
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
  kRead = 7,
};

enum RecordFlags : uint8_t {
  kRecordFlagNone = 0,
  kRecordImported = 1,
  kRecordCarried = 2,
  kRecordKept = 4,   // EXPUNGE: the messages are kept. MOVE, MOVE_REF: the message is one of those.
  kRecordPurge = 8,  // EXPUNGE: of messages that were kept.
  kRecordRead = 16,  // MOVE, MOVE_REF: the message was read.
  kRecordRestored = 32,  // ADD, ADD_REF: it brings back a kept message, which is gone thereby; its
                         // id is in front of the text, its place is `moved_from`.
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
  uint16_t day = 0;  // As MessageEntry has it. READ: when the messages were read.
  std::string_view account;
  std::string_view text;  // KeptInfo of a kept message, or the id of one that is brought back; then
                          // the UIDL of one that was imported.
  std::string_view body;  // Empty while only the head was decoded.
  uint32_t body_bytes = 0;

  uint32_t head_bytes() const {
    return kRecordFixedBytes + static_cast<uint32_t>(account.size() + text.size());
  }
  bool is_message() const {
    return kind == RecordKind::kAdd || kind == RecordKind::kAddRef || kind == RecordKind::kMove ||
           kind == RecordKind::kMoveRef;
  }
  bool in_blob() const { return kind == RecordKind::kAddRef || kind == RecordKind::kMoveRef; }
  bool carried() const { return (flags & kRecordCarried) != 0; }
  bool restored() const { return (flags & kRecordRestored) != 0; }
  // REQUIRES: restored().
  MessageId restores() const;
  // A message that is kept: in the list of those.
  bool kept_message() const { return is_message() && (flags & kRecordKept) != 0; }
  std::string_view uidl() const {
    return text.substr((kept_message() ? kKeptInfoBytes : 0) + (restored() ? kRestoredIdBytes : 0));
  }
  // As of an entry in a list.
  std::string_view entry_text() const { return restored() ? uidl() : text; }
  // With its padding.
  uint64_t log_bytes() const { return RoundUp(head_bytes() + uint64_t{body_bytes}, 8); }
};

// Writes record.head_bytes(). REQUIRES: account and uidl within their limits.
void EncodeRecordHead(const Record& record, Lsn at, uint64_t salt, char* into);
// Nothing unless `bytes` begins with a sound record head of this place. The views point into
// `bytes`.
std::optional<Record> DecodeRecordHead(std::string_view bytes, Lsn at, uint64_t salt);

// What a record that brings a kept message back has in front of its text.
std::string EncodeRestoredId(MessageId id);

// The ids in the body of a READ.
inline constexpr uint32_t kReadIdBytes = 8;
std::string EncodeReadIds(std::span<const MessageId> ids);
std::vector<MessageId> DecodeReadIds(std::string_view body);

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
