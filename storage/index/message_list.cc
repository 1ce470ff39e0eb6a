#include "storage/index/message_list.h"

#include <algorithm>

#include "core/base/check.h"

namespace poplar::storage {

bool AppendToChunk(Chunk& chunk, const MessageEntry& entry, std::string_view uidl) {
  if (chunk.entries.size() >= kChunkEntriesMax) return false;
  chunk.entries.push_back(entry);
  chunk.uidls += uidl;
  return true;
}

MessageList::MessageList(MessageId last_id, const std::vector<NumberedChunk>& chunks)
    : last_id_(last_id) {
  slots_.reserve(chunks.size());
  for (const auto& [number, chunk] : chunks) {
    // Never changed in place while `mine` is false.
    slots_.push_back({std::const_pointer_cast<Chunk>(chunk), number, count_, false, false});
    count_ += static_cast<uint32_t>(chunk->entries.size());
    for (const MessageEntry& entry : chunk->entries) Count(entry);
  }
}

MessageList::MessageList(const MessageList& other)
    : slots_(other.slots_),
      dropped_(other.dropped_),
      count_(other.count_),
      octets_(other.octets_),
      wire_bytes_(other.wire_bytes_),
      uidl_bytes_(other.uidl_bytes_),
      last_id_(other.last_id_) {
  for (Slot& slot : slots_) slot.mine = false;
}

IndexTotals MessageList::totals() const {
  return {count_, octets_, wire_bytes_, last_id_, static_cast<uint32_t>(slots_.size())};
}

size_t MessageList::memory_bytes() const {
  constexpr size_t kAllocationBytes = 32;
  return sizeof *this + slots_.size() * (sizeof(Slot) + sizeof(Chunk) + kAllocationBytes) +
         count_ * sizeof(MessageEntry) + uidl_bytes_;
}

void MessageList::Count(const MessageEntry& entry) {
  octets_ += entry.octets;
  wire_bytes_ += entry.wire_bytes;
  uidl_bytes_ += entry.uidl_bytes;
  RaiseLastId(entry.id);
}

size_t MessageList::SlotOf(uint32_t position, uint32_t& hint) const {
  POP_CHECK(position < count_);
  const auto holds = [&](size_t slot) {
    return slot < slots_.size() && slots_[slot].start <= position &&
           position - slots_[slot].start < slots_[slot].chunk->entries.size();
  };
  if (holds(hint)) return hint;
  if (holds(hint + size_t{1})) return ++hint;
  const auto after = std::upper_bound(slots_.begin(), slots_.end(), position,
                                      [](uint32_t p, const Slot& slot) { return p < slot.start; });
  hint = static_cast<uint32_t>(after - slots_.begin()) - 1;
  return hint;
}

const MessageEntry& MessageList::At(uint32_t position, uint32_t& hint) const {
  const Slot& slot = slots_[SlotOf(position, hint)];
  return slot.chunk->entries[position - slot.start];
}

std::string_view MessageList::ImportedUidl(uint32_t position, uint32_t& hint) const {
  const Slot& slot = slots_[SlotOf(position, hint)];
  return slot.chunk->ImportedUidl(position - slot.start);
}

std::pair<size_t, size_t> MessageList::Locate(MessageId id) const {
  const auto slot = std::lower_bound(
      slots_.begin(), slots_.end(), id,
      [](const Slot& s, MessageId wanted) { return s.chunk->entries.back().id < wanted; });
  if (slot == slots_.end()) return {slots_.size(), 0};
  const auto& entries = slot->chunk->entries;
  const auto entry =
      std::lower_bound(entries.begin(), entries.end(), id,
                       [](const MessageEntry& e, MessageId wanted) { return e.id < wanted; });
  if (entry == entries.end() || entry->id != id) return {slots_.size(), 0};
  return {static_cast<size_t>(slot - slots_.begin()), static_cast<size_t>(entry - entries.begin())};
}

const MessageEntry* MessageList::Find(MessageId id) const {
  const auto [slot, index] = Locate(id);
  return slot == slots_.size() ? nullptr : &slots_[slot].chunk->entries[index];
}

Chunk& MessageList::Change(Slot& slot) {
  if (!slot.mine) slot.chunk = std::make_shared<Chunk>(*slot.chunk);
  slot.mine = true;
  slot.dirty = true;
  return *slot.chunk;
}

void MessageList::Append(const MessageEntry& entry, std::string_view uidl) {
  POP_CHECK(slots_.empty() || entry.id > slots_.back().chunk->entries.back().id);
  if (slots_.empty() || slots_.back().chunk->entries.size() >= kChunkEntriesMax) {
    const uint32_t number = slots_.empty() ? 0 : slots_.back().number + 1;
    slots_.push_back({std::make_shared<Chunk>(), number, count_, true, true});
  }
  POP_CHECK(AppendToChunk(Change(slots_.back()), entry, uidl));
  ++count_;
  Count(entry);
}

void MessageList::Insert(const MessageEntry& entry, std::string_view uidl) {
  std::vector<std::pair<MessageEntry, std::string>> all;
  for (const Slot& slot : slots_) {
    for (size_t i = 0; i < slot.chunk->entries.size(); ++i) {
      all.emplace_back(slot.chunk->entries[i], slot.chunk->ImportedUidl(i));
    }
    dropped_.push_back(slot.number);
  }
  all.emplace_back(entry, uidl);
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.first.id < b.first.id; });
  slots_.clear();
  count_ = 0;
  octets_ = wire_bytes_ = uidl_bytes_ = 0;
  for (const auto& [each, text] : all) Append(each, text);
}

void MessageList::EraseFrom(Slot& slot, std::span<const MessageId> ids,
                            std::vector<MessageEntry>& erased) {
  Chunk left;
  const Chunk& old = *slot.chunk;
  for (size_t i = 0; i < old.entries.size(); ++i) {
    if (std::binary_search(ids.begin(), ids.end(), old.entries[i].id)) {
      erased.push_back(old.entries[i]);
    } else {
      left.entries.push_back(old.entries[i]);
      left.uidls += old.ImportedUidl(i);
    }
  }
  if (left.entries.size() == old.entries.size()) return;
  slot.chunk = std::make_shared<Chunk>(std::move(left));
  slot.mine = true;
  slot.dirty = true;
}

std::vector<MessageEntry> MessageList::Erase(std::span<const MessageId> ids) {
  POP_CHECK(std::is_sorted(ids.begin(), ids.end()));
  std::vector<MessageEntry> erased;
  if (ids.empty()) return erased;
  for (Slot& slot : slots_) {
    const auto& entries = slot.chunk->entries;
    const auto first = std::lower_bound(ids.begin(), ids.end(), entries.front().id);
    const auto last = std::upper_bound(first, ids.end(), entries.back().id);
    if (first != last) EraseFrom(slot, {first, last}, erased);
  }
  for (const MessageEntry& entry : erased) {
    octets_ -= entry.octets;
    wire_bytes_ -= entry.wire_bytes;
    uidl_bytes_ -= entry.uidl_bytes;
  }
  std::erase_if(slots_, [this](const Slot& slot) {
    if (!slot.chunk->entries.empty()) return false;
    dropped_.push_back(slot.number);
    return true;
  });
  Renumber();
  return erased;
}

void MessageList::Renumber() {
  count_ = 0;
  for (Slot& slot : slots_) {
    slot.start = count_;
    count_ += static_cast<uint32_t>(slot.chunk->entries.size());
  }
}

bool MessageList::Move(MessageId id, Lsn from, Lsn to) {
  const auto [slot, index] = Locate(id);
  if (slot == slots_.size() || slots_[slot].chunk->entries[index].lsn != from) return false;
  Change(slots_[slot]).entries[index].lsn = to;
  return true;
}

ListChanges MessageList::TakeChanges() {
  ListChanges changes;
  changes.dropped = std::exchange(dropped_, {});
  for (Slot& slot : slots_) {
    if (!slot.dirty) continue;
    changes.put.emplace_back(slot.number, slot.chunk);
    slot.dirty = false;
    slot.mine = false;  // The checkpoint reads it on another thread.
  }
  return changes;
}

void MessageList::PutBack(const ListChanges& changes) {
  const auto holds = [this](uint32_t number) {
    return std::any_of(slots_.begin(), slots_.end(),
                       [&](const Slot& slot) { return slot.number == number; });
  };
  for (const uint32_t number : changes.dropped) {
    if (!holds(number)) dropped_.push_back(number);
  }
  for (const auto& [number, chunk] : changes.put) {
    for (Slot& slot : slots_) {
      if (slot.number == number) slot.dirty = true;
    }
  }
}

}  // namespace poplar::storage
