#include "storage/engine/replayer.h"

#include <algorithm>

#include "core/base/log.h"

namespace poplar::storage {
namespace {

std::string KeyOf(const Record& record) {
  return EncodeMaildropKey({record.tenant, std::string(record.account)});
}

}  // namespace

void Replayer::OnDamage(const Damage& damage) {
  ++damages_;
  base::Log(base::LogLevel::kError, "store_damage",
            {{"partition", partition_},
             {"at", PlaceText(damage.at)},
             {"octets", damage.bytes},
             {"what", damage.what},
             {"tenant", damage.maildrop.tenant.value()},
             {"account", damage.maildrop.account},
             {"id", IdText(damage.id.value())}});
}

void Replayer::OnRecord(const Record& record, Lsn at) {
  if (!status_.ok()) return;
  ++records_;
  in_order_ = record.id.value() >= next_id_;
  next_id_ = std::max(next_id_, record.id.value() + 1);
  if (record.carried() && !rebuilding_) return;  // The index knew it before it was carried.
  switch (record.kind) {
    case RecordKind::kAdd:
    case RecordKind::kAddRef:
      return Add(record, at);
    case RecordKind::kExpunge:
      return Expunge(record);
    case RecordKind::kRemove:
      return Remove(record);
    case RecordKind::kMove:
    case RecordKind::kMoveRef:
      return Move(record, at);
    case RecordKind::kRead:
      return MarkRead(record);
  }
}

MaildropState* Replayer::Loaded(const Record& record, bool kept) {
  const std::string key = KeyOf(record);
  MaildropState& maildrop = table_.FindOrMake(kept ? KeptKeyOf(key) : key);
  if (maildrop.list != nullptr) return &maildrop;
  auto list = index_.Load(maildrop.key);
  if (!list.ok()) {
    status_ = list.status();
    return nullptr;
  }
  table_.InstallList(maildrop, std::move(*list));
  return &maildrop;
}

void Replayer::Add(const Record& record, Lsn at) {
  if (record.restored()) Restored(record);
  if (in_order_) {
    MaildropState& maildrop = table_.FindOrMake(KeyOf(record));
    if (maildrop.list == nullptr || record.id > maildrop.list->last_id()) {
      table_.Add(maildrop, EntryOf(record, at), record.entry_text());
      return;
    }
  }
  // Not as a log is written; what it says is taken all the same.
  MaildropState* const maildrop = Loaded(record, false);
  if (maildrop == nullptr || maildrop->list->Find(record.id) != nullptr) return;
  table_.Insert(*maildrop, EntryOf(record, at), record.entry_text());
}

// The kept message that it brings back is gone.
void Replayer::Restored(const Record& record) {
  const MessageId id = record.restores();
  EndKeeping(record, {&id, 1}, [&](size_t) { return record.moved_from; });
}

// In a rebuild they may still seem not to be deleted: what said so was carried forward.
void Replayer::EndKeeping(const Record& record, std::span<const MessageId> ids,
                          absl::FunctionRef<Lsn(size_t)> stood_at) {
  MaildropState* const kept = Loaded(record, true);
  MaildropState* const maildrop = rebuilding_ ? Loaded(record, false) : nullptr;
  if (!status_.ok()) return;
  for (MaildropState* const list : {kept, maildrop}) {
    if (list == nullptr) continue;
    for (size_t i = 0; i < ids.size() && rebuilding_; ++i) NoteMoved(*list, ids[i], stood_at(i));
    table_.Expunge(*list, ids);
  }
  for (const MessageId id : ids) {
    if (rebuilding_) expunged_.insert(id.value());
  }
}

// Where a rebuild met the message is not where it stood at last: it had been moved on from there.
void Replayer::NoteMoved(const MaildropState& list, MessageId id, Lsn stood_at) {
  const MessageEntry* const entry = list.list->Find(id);
  if (entry != nullptr && entry->lsn != stood_at) table_.NoteMovedOut(entry->lsn.segment());
}

void Replayer::Expunge(const Record& record) {
  std::vector<Expunged> expunged = DecodeExpunged(record.body);
  std::sort(expunged.begin(), expunged.end(),
            [](const Expunged& a, const Expunged& b) { return a.id < b.id; });
  std::vector<MessageId> ids;
  ids.reserve(expunged.size());
  for (const Expunged& each : expunged) ids.push_back(each.id);
  if ((record.flags & kRecordPurge) != 0) {
    return EndKeeping(record, ids, [&](size_t i) { return expunged[i].stood_at; });
  }
  MaildropState* const maildrop = Loaded(record, false);
  if (maildrop == nullptr) return;
  for (const Expunged& each : expunged) {
    if (rebuilding_) NoteMoved(*maildrop, each.id, each.stood_at);
  }
  if ((record.flags & kRecordKept) != 0) return Keep(record, std::move(ids));
  for (const MessageId id : ids) {
    if (rebuilding_) expunged_.insert(id.value());
  }
  table_.Expunge(*maildrop, ids);
}

void Replayer::Keep(const Record& record, std::vector<MessageId> ids) {
  MaildropState* const maildrop = Loaded(record, false);
  MaildropState* const kept = Loaded(record, true);
  if (maildrop == nullptr || kept == nullptr) return;
  // Carried forward behind what ended their keeping: they are gone.
  std::vector<MessageId> gone;
  std::erase_if(ids, [&](MessageId id) {
    if (!expunged_.contains(id.value())) return false;
    gone.push_back(id);
    return true;
  });
  table_.Expunge(*maildrop, gone);
  table_.Keep(*maildrop, *kept, ids, {record.time_us, record.reference});
}

void Replayer::Remove(const Record& record) {
  MaildropState* const maildrop = Loaded(record, false);
  MaildropState* const kept = Loaded(record, true);
  if (maildrop == nullptr || kept == nullptr) return;
  if (rebuilding_) {
    MessageId& removed = removed_[maildrop->key];
    removed = std::max(removed, record.id);
  }
  table_.Remove(*maildrop, record.id);
  if (kept->list->count() > 0) table_.Remove(*kept, record.id);
}

bool Replayer::WasDeleted(const Record& record) const {
  if (expunged_.contains(record.id.value())) return true;
  const auto removed = removed_.find(KeyOf(record));
  return removed != removed_.end() && record.id < removed->second;
}

void Replayer::Move(const Record& record, Lsn at) {
  const bool is_kept = record.kept_message();
  MaildropState* const maildrop = Loaded(record, is_kept);
  if (maildrop == nullptr) return;
  table_.NoteMovedOut(record.moved_from.segment());
  if (const MessageEntry* const entry = maildrop->list->Find(record.id); entry != nullptr) {
    // In a rebuild the message may still seem to stand where it stood before the last moves: what
    // told of those is gone with its segment. The later place is the right one.
    table_.Move(*maildrop, record.id, rebuilding_ ? entry->lsn : record.moved_from, at);
    if ((record.flags & kRecordRead) != 0) {
      table_.MarkRead(*maildrop, {&record.id, 1}, record.day);
    }
    return;
  }
  if (!rebuilding_ || WasDeleted(record)) return;
  if (is_kept) {
    // What deleted it is still to come, carried forward, or is gone.
    MaildropState* const before = Loaded(record, false);
    if (before == nullptr) return;
    if (const MessageEntry* const entry = before->list->Find(record.id); entry != nullptr) {
      const Lsn from = entry->lsn;
      table_.Keep(*before, *maildrop, {&record.id, 1}, DecodeKeptInfo(record.text));
      table_.Move(*maildrop, record.id, from, at);
      return;
    }
  }
  table_.Insert(*maildrop, EntryOf(record, at), record.entry_text());
}

void Replayer::MarkRead(const Record& record) {
  MaildropState* const maildrop = Loaded(record, false);
  if (maildrop == nullptr) return;
  std::vector<MessageId> ids = DecodeReadIds(record.body);
  std::sort(ids.begin(), ids.end());
  table_.MarkRead(*maildrop, ids, record.day);
}

}  // namespace poplar::storage
