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

enum EntryFlags : uint16_t {
  kEntryFlagNone = 0,
  kEntryImported = 1,
  kEntryInBlob = 2,
};

// One message. Memory and disk hold it alike.
struct MessageEntry {
  MessageId id{0};
  Lsn lsn;
  int64_t received_us = 0;
  BlobId blob{0};
  uint32_t octets = 0;
  uint32_t wire_bytes = 0;
  uint32_t header_bytes = 0;
  uint16_t flags = kEntryFlagNone;
  uint16_t uidl_bytes = 0;

  friend bool operator==(const MessageEntry&, const MessageEntry&) = default;
};
static_assert(sizeof(MessageEntry) == 48);

struct Chunk {
  std::vector<MessageEntry> entries;  // Ascending by id.
  std::string uidls;                  // Of imported ones, in the order of the entries.

  // Of an imported entry.
  std::string_view ImportedUidl(size_t index) const;

  friend bool operator==(const Chunk&, const Chunk&) = default;
};

// REQUIRES: 1 to kChunkEntriesMax entries.
std::string EncodeChunk(const Chunk& chunk);
// kDataLoss: not sound.
StatusOr<Chunk> DecodeChunk(std::string_view value);

}  // namespace poplar::storage
