#include "storage/index/maildrop_table.h"

#include <algorithm>

#include "core/base/check.h"
#include "storage/format/checksum.h"

namespace poplar::storage {
namespace {

constexpr size_t kEncodedKeyFixedBytes = 9;

void AppendTail(Chunk& tail, const MessageEntry& entry, std::string_view text) {
  tail.entries.push_back(entry);
  tail.texts += text;
}

// Visits entries with their texts.
template <class Visit>
void ForEachEntry(const Chunk& chunk, const Visit& visit) {
  size_t at = 0;
  for (const MessageEntry& entry : chunk.entries) {
    visit(entry, std::string_view(chunk.texts).substr(at, entry.text_bytes()));
    at += entry.text_bytes();
  }
}

}  // namespace

MessageEntry EntryOf(const Record& record, Lsn at) {
  MessageEntry entry;
  entry.id = record.id;
  entry.lsn = at;
  entry.received_us = record.time_us;
  entry.blob = BlobId(record.in_blob() ? record.reference : 0);
  entry.octets = record.octets;
  entry.wire_bytes = record.wire_bytes;
  entry.header_bytes = record.header_bytes;
  if (!record.uidl().empty()) entry.flags |= kEntryImported;
  if (entry.blob != BlobId(0)) entry.flags |= kEntryInBlob;
  if ((record.flags & kRecordRead) != 0) entry.flags |= kEntryRead;
  if (record.kept_message()) entry.flags |= kEntryKept | kEntryKeptInRecord;
  if (record.restored()) entry.flags |= kEntryRestored;
  entry.uidl_bytes = static_cast<uint8_t>(record.uidl().size());
  entry.day = record.day;
  return entry;
}

uint64_t RecordBytes(std::string_view encoded_key, const MessageEntry& entry) {
  const uint64_t body = (entry.flags & kEntryInBlob) != 0 ? 0 : entry.wire_bytes;
  return RoundUp(kRecordFixedBytes + encoded_key.size() - kEncodedKeyFixedBytes +
                     entry.record_text_bytes() + body,
                 8);
}

size_t MaildropTable::Hash::operator()(std::string_view key) const { return Checksum(key); }

MaildropTable::~MaildropTable() = default;

MaildropState* MaildropTable::Find(std::string_view key) {
  const auto found = maildrops_.find(key);
  return found == maildrops_.end() ? nullptr : found->second.get();
}

MaildropState& MaildropTable::FindOrMake(std::string_view key) {
  const auto found = maildrops_.find(key);
  if (found != maildrops_.end()) return *found->second;
  auto made = std::make_unique<MaildropState>(std::string(key));
  MaildropState& maildrop = *made;
  maildrops_.emplace(std::string_view(maildrop.key), std::move(made));
  return maildrop;
}

std::shared_ptr<const MessageList> MaildropTable::Snapshot(MaildropState& maildrop) {
  POP_CHECK(maildrop.list != nullptr);
  maildrop.list_shared = true;
  Use(maildrop);
  return maildrop.list;
}

void MaildropTable::InstallList(MaildropState& maildrop, std::shared_ptr<MessageList> from_index) {
  POP_CHECK(maildrop.list == nullptr);
  const bool complete = maildrop.tail.entries.empty() && maildrop.in_checkpoint.entries.empty();
  const MessageId known = from_index->last_id();
  maildrop.list = std::move(from_index);
  maildrop.held.reset();
  maildrop.list_shared = false;
  if (!complete) {
    // What the checkpoint under way brings may or may not have been in the index when it was read.
    // Appending is deterministic, so both ways end in the same chunks.
    for (const Chunk* part : {&maildrop.in_checkpoint, &maildrop.tail}) {
      ForEachEntry(*part, [&](const MessageEntry& entry, std::string_view text) {
        if (entry.id > known) maildrop.list->Append(entry, text);
      });
    }
    maildrop.in_checkpoint = {};
    maildrop.tail = {};
    MarkDirty(maildrop);
  }
  Charge(maildrop);
  Use(maildrop);
}

void MaildropTable::InstallTotals(MaildropState& maildrop, const IndexTotals& from_index) {
  if (maildrop.counted()) return;  // Since it was asked for.
  MaildropState::Held held{from_index.messages, from_index.octets};
  for (const Chunk* part : {&maildrop.in_checkpoint, &maildrop.tail}) {
    for (const MessageEntry& entry : part->entries) {
      if (entry.id <= from_index.last_id) continue;
      ++held.messages;
      held.octets += entry.octets;
    }
  }
  maildrop.held = held;
  Charge(maildrop);
  Use(maildrop);
}

MessageList& MaildropTable::Change(MaildropState& maildrop) {
  POP_CHECK(maildrop.list != nullptr);
  if (maildrop.list_shared) {
    maildrop.list = std::make_shared<MessageList>(*maildrop.list);
    maildrop.list_shared = false;
  }
  MarkDirty(maildrop);
  return *maildrop.list;
}

void MaildropTable::MarkDirty(MaildropState& maildrop) {
  ++changes_;
  if (maildrop.dirty) return;
  maildrop.dirty = true;
  dirty_.push_back(&maildrop);
}

void MaildropTable::CountLive(const MaildropState& maildrop, const MessageEntry& entry,
                              bool added) {
  const auto segment = segments_.find(entry.lsn.segment());
  if (segment == segments_.end()) return;  // Lost: its damage was named.
  const uint64_t bytes = RecordBytes(maildrop.key, entry);
  segment->second.live_bytes += added ? bytes : -bytes;
  segment->second.live_records += added ? 1 : -1;
}

void MaildropTable::CountTenant(std::string_view key, std::span<const MessageEntry> entries,
                                bool added, bool reserved) {
  if (entries.empty()) return;
  TenantTotals change;
  uint64_t& messages = IsKeptKey(key) ? change.kept_messages : change.messages;
  uint64_t& octets = IsKeptKey(key) ? change.kept_octets : change.octets;
  for (const MessageEntry& entry : entries) {
    messages += added ? 1 : -1;
    octets += added ? entry.octets : -uint64_t{entry.octets};
  }
  const TenantId tenant = DecodeMaildropKey(key).tenant;
  AddTo(tenants_[tenant], change);
  tenants_changed_.insert(tenant);
  if (ledger_ != nullptr && !reserved) ledger_->Add(tenant, change);
}

bool MaildropTable::HasKept(TenantId tenant) const {
  const auto found = tenants_.find(tenant);
  return found != tenants_.end() && found->second.kept_messages > 0;
}

void MaildropTable::AttachLedger(TenantLedger& ledger) {
  POP_CHECK(ledger_ == nullptr);
  ledger_ = &ledger;
  for (const auto& [tenant, totals] : tenants_) ledger.Add(tenant, totals);
}

void MaildropTable::Add(MaildropState& maildrop, const MessageEntry& entry, std::string_view text,
                        bool reserved) {
  if (maildrop.list != nullptr) {
    Change(maildrop).Append(entry, text);
    Charge(maildrop);
  } else {
    AppendTail(maildrop.tail, entry, text);
    MarkDirty(maildrop);
    if (maildrop.held.has_value()) {
      ++maildrop.held->messages;
      maildrop.held->octets += entry.octets;
    }
  }
  if (entry.blob != BlobId(0)) blob_changes_[entry.id] = entry.blob;
  CountLive(maildrop, entry, true);
  CountTenant(maildrop.key, {&entry, 1}, true, reserved);
}

void MaildropTable::Insert(MaildropState& maildrop, const MessageEntry& entry,
                           std::string_view text) {
  if (Change(maildrop).Merge({{entry}, std::string(text)}) > 0) return;
  if (entry.blob != BlobId(0)) blob_changes_[entry.id] = entry.blob;
  CountLive(maildrop, entry, true);
  CountTenant(maildrop.key, {&entry, 1}, true);
  Charge(maildrop);
}

void MaildropTable::Drop(MaildropState& maildrop, std::span<const MessageEntry> gone) {
  CountTenant(maildrop.key, gone, false);
  for (const MessageEntry& entry : gone) {
    CountLive(maildrop, entry, false);
    if (entry.blob == BlobId(0)) continue;
    doomed_blobs_.push_back(entry.blob);
    blob_changes_[entry.id] = BlobId(0);
  }
  Charge(maildrop);
}

void MaildropTable::Expunge(MaildropState& maildrop, std::span<const MessageId> ids) {
  Drop(maildrop, Change(maildrop).Erase(ids).entries);
}

void MaildropTable::Keep(MaildropState& maildrop, MaildropState& kept,
                         std::span<const MessageId> ids, const KeptInfo& info) {
  const Chunk gone = Change(maildrop).Erase(ids);
  CountTenant(maildrop.key, gone.entries, false);
  Charge(maildrop);
  Chunk now_kept;
  ForEachEntry(gone, [&](MessageEntry entry, std::string_view uidl) {
    // Only a damaged store has it in both lists; the one that is kept already stays.
    if (kept.list->Find(entry.id) != nullptr) return CountLive(maildrop, entry, false);
    entry.flags |= kEntryKept;
    entry.day = DayOf(info.deleted_us);
    AppendTail(now_kept, entry, EncodeKeptInfo(info) + std::string(uidl));
  });
  Change(kept).Merge(now_kept);
  CountTenant(kept.key, now_kept.entries, true);
  Charge(kept);
}

// Their records go on counting as living, so no segment goes that holds them.
void MaildropTable::KeepUnlisted(MaildropState& maildrop, std::span<const MessageId> ids) {
  const Chunk gone = Change(maildrop).Erase(ids);
  CountTenant(maildrop.key, gone.entries, false);
  CountTenant(KeptKeyOf(maildrop.key), gone.entries, true);
  Charge(maildrop);
}

void MaildropTable::MarkRead(MaildropState& maildrop, std::span<const MessageId> ids,
                             uint16_t day) {
  Change(maildrop).MarkRead(ids, day);
}

void MaildropTable::Remove(MaildropState& maildrop, MessageId id) {
  POP_CHECK(maildrop.list != nullptr);
  std::vector<MessageEntry> gone;
  std::vector<std::pair<MessageEntry, std::string>> kept;
  uint32_t hint = 0;
  for (uint32_t i = 0; i < maildrop.list->count(); ++i) {
    const MessageEntry& entry = maildrop.list->At(i, hint);
    if (entry.id < id) {
      gone.push_back(entry);
    } else {
      kept.emplace_back(entry, maildrop.list->Text(i, hint));
    }
  }
  maildrop.list = std::make_shared<MessageList>();
  maildrop.list_shared = false;
  maildrop.list->RaiseLastId(id);
  for (const auto& [entry, text] : kept) maildrop.list->Append(entry, text);
  maildrop.wipe = true;
  MarkDirty(maildrop);
  Drop(maildrop, gone);
  if (maildrop.lease != nullptr) {
    maildrop.lease->lost.store(true, std::memory_order_relaxed);
    maildrop.lease.reset();
  }
  if (const std::shared_ptr<Lease> readers = maildrop.readers.lock()) {
    readers->lost.store(true, std::memory_order_relaxed);
    maildrop.readers.reset();
  }
}

void MaildropTable::Move(MaildropState& maildrop, MessageId id, Lsn from, Lsn to) {
  NoteMovedOut(from.segment());
  const MessageEntry* const entry = maildrop.list->Find(id);
  if (entry == nullptr || entry->lsn != from) return;
  CountLive(maildrop, *entry, false);
  POP_CHECK(Change(maildrop).Move(id, from, to));
  CountLive(maildrop, *maildrop.list->Find(id), true);
}

void MaildropTable::AddSegment(uint32_t number, const SegmentStats& stats) {
  segments_[number] = stats;
}

void MaildropTable::SetSegmentBytes(uint32_t number, uint64_t bytes) {
  const auto segment = segments_.find(number);
  if (segment != segments_.end()) segment->second.bytes = bytes;
}

void MaildropTable::NoteMovedOut(uint32_t number) {
  const auto segment = segments_.find(number);
  if (segment != segments_.end()) segment->second.moved_out = true;
}

void MaildropTable::SetSegmentEnd(uint32_t number, uint32_t end) {
  const auto segment = segments_.find(number);
  if (segment != segments_.end()) segment->second.end = end;
}

void MaildropTable::RemoveSegment(uint32_t number) {
  segments_.erase(number);
  segments_gone_.push_back(number);
}

std::vector<std::string> MaildropTable::ChangedKeys() const {
  std::vector<std::string> keys;
  keys.reserve(dirty_.size());
  for (const MaildropState* maildrop : dirty_) keys.push_back(maildrop->key);
  return keys;
}

Checkpoint MaildropTable::TakeCheckpoint() {
  Checkpoint checkpoint;
  checkpoint.maildrops.reserve(dirty_.size());
  for (MaildropState* maildrop : std::exchange(dirty_, {})) {
    MaildropChange change;
    change.key = maildrop->key;
    change.wipe = std::exchange(maildrop->wipe, false);
    if (maildrop->list != nullptr) {
      change.changes = maildrop->list->TakeChanges();
      change.totals = maildrop->list->totals();
    } else {
      change.appended = std::exchange(maildrop->tail, {});
      ForEachEntry(change.appended, [&](const MessageEntry& entry, std::string_view text) {
        AppendTail(maildrop->in_checkpoint, entry, text);
      });
    }
    maildrop->dirty = false;
    maildrop->flushing = true;
    checkpoint.maildrops.push_back(std::move(change));
  }
  checkpoint.segments = segments_;
  checkpoint.segments_gone = std::exchange(segments_gone_, {});
  for (const TenantId tenant : std::exchange(tenants_changed_, {})) {
    checkpoint.tenants[tenant] = tenants_[tenant];
  }
  checkpoint.blobs = std::exchange(blob_changes_, {});
  changes_ = 0;
  return checkpoint;
}

void MaildropTable::FinishCheckpoint(const Checkpoint& checkpoint, bool written) {
  for (const MaildropChange& change : checkpoint.maildrops) {
    MaildropState& maildrop = *Find(change.key);
    maildrop.flushing = false;
    if (!written) {
      MarkDirty(maildrop);
      maildrop.wipe = maildrop.wipe || change.wipe;
      if (maildrop.list != nullptr) {
        maildrop.list->PutBack(change.changes);
      } else {
        // Nobody loaded it meanwhile, so what was taken stands in front of what came since.
        ForEachEntry(maildrop.tail, [&](const MessageEntry& entry, std::string_view text) {
          AppendTail(maildrop.in_checkpoint, entry, text);
        });
        maildrop.tail = std::exchange(maildrop.in_checkpoint, {});
      }
      continue;
    }
    // A pin may be a load that read the index before this checkpoint: it still needs them.
    if (maildrop.list == nullptr && maildrop.pins == 0) maildrop.in_checkpoint = {};
    if (Forgettable(maildrop)) Forget(maildrop);
  }
  if (!written) {
    for (const auto& [message, blob] : checkpoint.blobs) blob_changes_.emplace(message, blob);
    segments_gone_.insert(segments_gone_.end(), checkpoint.segments_gone.begin(),
                          checkpoint.segments_gone.end());
    for (const auto& [tenant, totals] : checkpoint.tenants) tenants_changed_.insert(tenant);
  }
  Evict();
}

}  // namespace poplar::storage
