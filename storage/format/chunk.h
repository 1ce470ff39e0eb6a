// Entries of a maildrop's list, and the chunks they are kept in, in memory as in the index
// (FORMAT.md section 7). Any thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "storage/format/ids.h"

namespace poplar::storage {

inline constexpr uint32_t kChunkEntriesMax = 40;

inline constexpr uint32_t kKeptInfoBytes = 16;
inline constexpr uint32_t kRestoredIdBytes = 8;

enum EntryFlags : uint8_t {
  kEntryFlagNone = 0,
  kEntryImported = 1,
  kEntryInBlob = 2,
  kEntryRead = 4,
  kEntryKept = 8,           // Deleted: KeptInfo stands in front of its UIDL.
  kEntryKeptInRecord = 16,  // Its record says so too.
  kEntryRestored = 32,      // Its record names the kept message that it brings back.
};

// Of a deleted message that is kept: when, and by which session.
struct KeptInfo {
  int64_t deleted_us = 0;
  uint64_t session = 0;  // 0: expiry.

  friend bool operator==(const KeptInfo&, const KeptInfo&) = default;
};
// kKeptInfoBytes.
std::string EncodeKeptInfo(const KeptInfo& info);
// REQUIRES: as long.
KeptInfo DecodeKeptInfo(std::string_view bytes);

// One message. Memory and disk hold it alike.
struct MessageEntry {
  MessageId id{0};
  Lsn lsn;
  int64_t received_us = 0;
  BlobId blob{0};
  uint32_t octets = 0;
  uint32_t wire_bytes = 0;
  uint32_t header_bytes = 0;
  uint8_t flags = kEntryFlagNone;
  uint8_t uidl_bytes = 0;
  uint16_t day = 0;  // Days since 1970: when it arrived; or was read, or deleted, as flags say.

  bool kept() const { return (flags & kEntryKept) != 0; }
  // In Chunk::texts.
  uint32_t text_bytes() const { return uidl_bytes + (kept() ? kKeptInfoBytes : 0); }
  // Of its record.
  uint32_t record_text_bytes() const {
    return uidl_bytes + ((flags & kEntryKeptInRecord) != 0 ? kKeptInfoBytes : 0) +
           ((flags & kEntryRestored) != 0 ? kRestoredIdBytes : 0);
  }
  // The day from which its age counts: that of deletion for one that is kept, else of arrival (its
  // date says nothing of that if it was imported or brought back). Of one that was read: its date,
  // or if it was imported the day of reading.
  uint16_t age_day() const;

  friend bool operator==(const MessageEntry&, const MessageEntry&) = default;
};
static_assert(sizeof(MessageEntry) == 48);

struct Chunk {
  std::vector<MessageEntry> entries;  // Ascending by id.
  std::string texts;                  // Of all entries, in their order.

  // What an entry has beside its numbers: KeptInfo if it is kept, the UIDL if it was imported.
  std::string_view Text(size_t index) const;

  friend bool operator==(const Chunk&, const Chunk&) = default;
};

// The day of a time, both since 1970; within the range of a day's field.
uint16_t DayOf(int64_t time_us);

// The imported UIDL in an entry's text; empty if it has none.
inline std::string_view UidlIn(const MessageEntry& entry, std::string_view text) {
  return text.substr(text.size() - entry.uidl_bytes);
}

// Its checksum covers its key in the index too. REQUIRES: 1 to kChunkEntriesMax entries.
std::string EncodeChunk(std::string_view key, const Chunk& chunk);
// kDataLoss: not sound.
StatusOr<Chunk> DecodeChunk(std::string_view key, std::string_view value);

}  // namespace poplar::storage
