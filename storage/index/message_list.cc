#include "storage/index/message_list.h"

#include <algorithm>

#include "core/base/check.h"

namespace poplar::storage {

namespace {

void Prefetch(std::span<const MessageEntry> entries) {
  for (const MessageEntry& entry : entries) __builtin_prefetch(&entry);
}

}  // namespace

bool AppendToChunk(Chunk& chunk, const MessageEntry& entry, std::string_view text) {
  if (chunk.entries.size() >= kChunkEntriesMax) return false;
  chunk.entries.push_back(entry);
  chunk.texts += text;
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
  FindOldest();
}

MessageList::MessageList(const MessageList& other)
    : slots_(other.slots_),
      dropped_(other.dropped_),
      count_(other.count_),
      octets_(other.octets_),
      wire_bytes_(other.wire_bytes_),
      text_bytes_(other.text_bytes_),
      oldest_day_(other.oldest_day_),
      last_id_(other.last_id_) {
  for (Slot& slot : slots_) slot.mine = false;
}

IndexTotals MessageList::totals() const {
  return {count_,     octets_, wire_bytes_, last_id_, static_cast<uint32_t>(slots_.size()),
          oldest_day_};
}

size_t MessageList::memory_bytes() const {
  constexpr size_t kAllocationBytes = 32;
  return sizeof *this + slots_.size() * (sizeof(Slot) + sizeof(Chunk) + kAllocationBytes) +
         count_ * sizeof(MessageEntry) + text_bytes_;
}

void MessageList::Count(const MessageEntry& entry) {
  octets_ += entry.octets;
  wire_bytes_ += entry.wire_bytes;
  text_bytes_ += entry.text_bytes();
  RaiseLastId(entry.id);
}

void MessageList::Forget(const MessageEntry& entry) {
  octets_ -= entry.octets;
  wire_bytes_ -= entry.wire_bytes;
  text_bytes_ -= entry.text_bytes();
}

void MessageList::Renumber() {
  count_ = 0;
  for (Slot& slot : slots_) {
    slot.start = count_;
    count_ += static_cast<uint32_t>(slot.chunk->entries.size());
  }
}

void MessageList::FindOldest() {
  oldest_day_ = slots_.empty() ? 0 : UINT16_MAX;
  for (const Slot& slot : slots_) {
    for (const MessageEntry& entry : slot.chunk->entries) {
      oldest_day_ = std::min(oldest_day_, entry.age_day());
    }
  }
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

std::string_view MessageList::Text(uint32_t position, uint32_t& hint) const {
  const Slot& slot = slots_[SlotOf(position, hint)];
  return slot.chunk->Text(position - slot.start);
}

std::string_view MessageList::ImportedUidl(uint32_t position, uint32_t& hint) const {
  return UidlIn(At(position, hint), Text(position, hint));
}

MessageRun MessageList::RunFrom(uint32_t position, uint32_t& hint) const {
  const size_t at = SlotOf(position, hint);
  const Slot& slot = slots_[at];
  // Chunks lie anywhere: a listing would wait for memory at the begin of each.
  if (at + 2 < slots_.size()) __builtin_prefetch(slots_[at + 2].chunk.get());
  if (at + 1 < slots_.size()) Prefetch(slots_[at + 1].chunk->entries);
  const std::span<const MessageEntry> entries = slot.chunk->entries;
  size_t before = 0;
  // Most chunks have no texts.
  if (!slot.chunk->texts.empty()) {
    for (const MessageEntry& entry : entries.first(position - slot.start)) {
      before += entry.text_bytes();
    }
  }
  return {entries.subspan(position - slot.start),
          std::string_view(slot.chunk->texts).substr(before)};
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

std::string_view MessageList::TextOf(MessageId id) const {
  const auto [slot, index] = Locate(id);
  POP_CHECK(slot != slots_.size());
  return slots_[slot].chunk->Text(index);
}

Chunk& MessageList::Change(Slot& slot) {
  if (!slot.mine) slot.chunk = std::make_shared<Chunk>(*slot.chunk);
  slot.mine = true;
  slot.dirty = true;
  return *slot.chunk;
}

void MessageList::Append(const MessageEntry& entry, std::string_view text) {
  POP_CHECK(slots_.empty() || entry.id > slots_.back().chunk->entries.back().id);
  if (slots_.empty() || slots_.back().chunk->entries.size() >= kChunkEntriesMax) {
    const uint32_t number = slots_.empty() ? 0 : slots_.back().number + 1;
    slots_.push_back({std::make_shared<Chunk>(), number, count_, true, true});
  }
  POP_CHECK(AppendToChunk(Change(slots_.back()), entry, text));
  oldest_day_ = count_ == 0 ? entry.age_day() : std::min(oldest_day_, entry.age_day());
  ++count_;
  Count(entry);
}

size_t MessageList::Merge(const Chunk& more) {
  if (more.entries.empty()) return 0;
  const auto first = std::lower_bound(
      slots_.begin(), slots_.end(), more.entries.front().id,
      [](const Slot& slot, MessageId id) { return slot.chunk->entries.back().id < id; });
  std::vector<std::pair<MessageEntry, std::string>> all;
  const auto take = [&all](const Chunk& chunk) {
    size_t at = 0;
    for (const MessageEntry& entry : chunk.entries) {
      all.emplace_back(entry, chunk.texts.substr(at, entry.text_bytes()));
      at += entry.text_bytes();
    }
  };
  for (auto slot = first; slot != slots_.end(); ++slot) {
    take(*slot->chunk);
    dropped_.push_back(slot->number);
  }
  slots_.erase(first, slots_.end());
  for (const auto& [entry, text] : all) Forget(entry);
  Renumber();
  FindOldest();
  take(more);
  // Of two with one id the one that was here stands first.
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first.id < b.first.id; });
  size_t left_out = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0 && all[i].first.id == all[i - 1].first.id) {
      ++left_out;
    } else {
      Append(all[i].first, all[i].second);
    }
  }
  return left_out;
}

void MessageList::EraseFrom(Slot& slot, std::span<const MessageId> ids, Chunk& erased) {
  Chunk left;
  const Chunk& old = *slot.chunk;
  for (size_t i = 0; i < old.entries.size(); ++i) {
    const bool goes = std::binary_search(ids.begin(), ids.end(), old.entries[i].id);
    Chunk& to = goes ? erased : left;
    to.entries.push_back(old.entries[i]);
    to.texts += old.Text(i);
  }
  if (left.entries.size() == old.entries.size()) return;
  slot.chunk = std::make_shared<Chunk>(std::move(left));
  slot.mine = true;
  slot.dirty = true;
}

Chunk MessageList::Erase(std::span<const MessageId> ids) {
  POP_CHECK(std::is_sorted(ids.begin(), ids.end()));
  Chunk erased;
  if (ids.empty()) return erased;
  for (Slot& slot : slots_) {
    const auto& entries = slot.chunk->entries;
    const auto first = std::lower_bound(ids.begin(), ids.end(), entries.front().id);
    const auto last = std::upper_bound(first, ids.end(), entries.back().id);
    if (first != last) EraseFrom(slot, {first, last}, erased);
  }
  std::erase_if(slots_, [this](const Slot& slot) {
    if (!slot.chunk->entries.empty()) return false;
    dropped_.push_back(slot.number);
    return true;
  });
  bool oldest_went = false;
  for (const MessageEntry& entry : erased.entries) {
    Forget(entry);
    oldest_went = oldest_went || entry.age_day() == oldest_day_;
  }
  Renumber();
  if (oldest_went) FindOldest();
  return erased;
}

void MessageList::MarkRead(std::span<const MessageId> ids, uint16_t day) {
  bool changed = false;
  for (const MessageId id : ids) {
    const auto [slot, index] = Locate(id);
    if (slot == slots_.size()) continue;
    if ((slots_[slot].chunk->entries[index].flags & kEntryRead) != 0) continue;
    MessageEntry& entry = Change(slots_[slot]).entries[index];
    entry.flags |= kEntryRead;
    // The clock may have been ahead when it arrived: nothing goes early.
    entry.day = std::max(entry.day, day);
    changed = true;
  }
  if (changed) FindOldest();
}

bool MessageList::Move(MessageId id, Lsn from, Lsn to) {
  const auto [slot, index] = Locate(id);
  if (slot == slots_.size() || slots_[slot].chunk->entries[index].lsn != from) return false;
  MessageEntry& entry = Change(slots_[slot]).entries[index];
  entry.lsn = to;
  entry.flags &= ~kEntryRestored;
  if (entry.kept()) entry.flags |= kEntryKeptInRecord;
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
  const auto find = [this](uint32_t number) -> Slot* {
    const auto slot =
        std::lower_bound(slots_.begin(), slots_.end(), number,
                         [](const Slot& each, uint32_t wanted) { return each.number < wanted; });
    return slot != slots_.end() && slot->number == number ? &*slot : nullptr;
  };
  for (const uint32_t number : changes.dropped) {
    if (find(number) == nullptr) dropped_.push_back(number);
  }
  for (const auto& [number, chunk] : changes.put) {
    if (Slot* const slot = find(number)) slot->dirty = true;
  }
}

}  // namespace poplar::storage
