// A maildrop's list in memory: chunks shared between a list, its copies and checkpoints, copied
// only when one that others may see is changed. Copying a list copies pointers.
//
// A list is changed on its partition's shard only; a copy that was handed out as a
// shared_ptr<const MessageList> is read by any one shard.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/format/chunk.h"
#include "storage/format/index_format.h"

namespace poplar::storage {

// Appends where there is room: false when the chunk is full.
bool AppendToChunk(Chunk& chunk, const MessageEntry& entry, std::string_view text);

using NumberedChunk = std::pair<uint32_t, std::shared_ptr<const Chunk>>;

// What a checkpoint must write for a list: first the dropped chunk numbers go, then the others are
// put.
struct ListChanges {
  std::vector<uint32_t> dropped;
  std::vector<NumberedChunk> put;
};

// Messages that stand one behind the other.
struct MessageRun {
  std::span<const MessageEntry> entries;
  std::string_view texts;  // Theirs, one behind the other.
};

class MessageList {
 public:
  MessageList() = default;
  // As the index has it; chunks in the order of their numbers.
  MessageList(MessageId last_id, const std::vector<NumberedChunk>& chunks);
  // The copy shares all chunks and knows no changes of its own.
  MessageList(const MessageList& other);
  MessageList& operator=(const MessageList&) = delete;

  uint32_t count() const { return count_; }
  uint64_t octets() const { return octets_; }
  uint64_t wire_bytes() const { return wire_bytes_; }
  // The greatest id that the maildrop ever had.
  MessageId last_id() const { return last_id_; }
  // The least age_day of its messages; 0 without any.
  uint16_t oldest_day() const { return oldest_day_; }
  IndexTotals totals() const;
  // An estimate, at once.
  size_t memory_bytes() const;

  // `hint` remembers the chunk for the next call; start with 0. REQUIRES: position < count().
  const MessageEntry& At(uint32_t position, uint32_t& hint) const;
  // As Chunk::Text.
  std::string_view Text(uint32_t position, uint32_t& hint) const;
  std::string_view ImportedUidl(uint32_t position, uint32_t& hint) const;
  // From `position` to the end of its chunk.
  MessageRun RunFrom(uint32_t position, uint32_t& hint) const;
  const MessageEntry* Find(MessageId id) const;
  // REQUIRES: it is here.
  std::string_view TextOf(MessageId id) const;

  // REQUIRES: entry.id > the last message's.
  void Append(const MessageEntry& entry, std::string_view text);
  // Adds `more`, any number of entries, each in its place by id; those whose id is here already are
  // left out and their number is returned. Rewrites the chunks from the first place on.
  size_t Merge(const Chunk& more);
  // Deletes those of `ids` (ascending) that are here, and returns them: any number of entries.
  Chunk Erase(std::span<const MessageId> ids);
  // Marks those of `ids` (ascending) that are here and not read yet.
  void MarkRead(std::span<const MessageId> ids, uint16_t day);
  // The message's record stands elsewhere now, and says of a kept one that it is. False when it
  // did not stand at `from`.
  bool Move(MessageId id, Lsn from, Lsn to);
  void RaiseLastId(MessageId id) { last_id_ = std::max(last_id_, id); }

  // What changed since the last call, for a checkpoint; and back, when that failed.
  ListChanges TakeChanges();
  void PutBack(const ListChanges& changes);

 private:
  struct Slot {
    std::shared_ptr<Chunk> chunk;
    uint32_t number = 0;
    uint32_t start = 0;  // Position of its first entry.
    bool mine = false;   // Nobody else sees the chunk.
    bool dirty = false;  // The index has not got it so.
  };

  size_t SlotOf(uint32_t position, uint32_t& hint) const;
  // The slot and index of `id`, or {slots_.size(), 0}.
  std::pair<size_t, size_t> Locate(MessageId id) const;
  Chunk& Change(Slot& slot);
  void EraseFrom(Slot& slot, std::span<const MessageId> ids, Chunk& erased);
  void Count(const MessageEntry& entry);
  // After some went, or grew younger.
  void Forget(const MessageEntry& entry);
  void Renumber();
  void FindOldest();

  std::vector<Slot> slots_;  // None is empty.
  std::vector<uint32_t> dropped_;
  uint32_t count_ = 0;
  uint64_t octets_ = 0;
  uint64_t wire_bytes_ = 0;
  uint64_t text_bytes_ = 0;
  uint16_t oldest_day_ = 0;
  MessageId last_id_{0};
};

}  // namespace poplar::storage
