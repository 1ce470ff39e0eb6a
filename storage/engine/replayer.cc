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
             {"segment", damage.at.segment()},
             {"offset", damage.at.offset()},
             {"octets", damage.bytes},
             {"what", damage.what},
             {"tenant", damage.maildrop.tenant.value()},
             {"account", damage.maildrop.account},
             {"id", damage.id.value()}});
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
  }
}

MaildropState* Replayer::Loaded(const Record& record) {
  MaildropState& maildrop = table_.FindOrMake(KeyOf(record));
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
  if (in_order_) {
    MaildropState& maildrop = table_.FindOrMake(KeyOf(record));
    if (maildrop.list == nullptr || record.id > maildrop.list->last_id()) {
      table_.Add(maildrop, EntryOf(record, at), record.uidl);
      return;
    }
  }
  // Not as a log is written; what it says is taken all the same.
  MaildropState* const maildrop = Loaded(record);
  if (maildrop == nullptr || maildrop->list->Find(record.id) != nullptr) return;
  table_.Insert(*maildrop, EntryOf(record, at), record.uidl);
}

void Replayer::Expunge(const Record& record) {
  MaildropState* const maildrop = Loaded(record);
  if (maildrop == nullptr) return;
  std::vector<MessageId> ids;
  for (const Expunged& expunged : DecodeExpunged(record.body)) {
    ids.push_back(expunged.id);
    if (!rebuilding_) continue;
    expunged_.insert(expunged.id.value());
    // It had been moved on from where the rebuild met it.
    const MessageEntry* const entry = maildrop->list->Find(expunged.id);
    if (entry != nullptr && entry->lsn != expunged.stood_at) {
      table_.NoteMovedOut(entry->lsn.segment());
    }
  }
  std::sort(ids.begin(), ids.end());
  table_.Expunge(*maildrop, ids);
}

void Replayer::Remove(const Record& record) {
  MaildropState* const maildrop = Loaded(record);
  if (maildrop == nullptr) return;
  if (rebuilding_) {
    MessageId& removed = removed_[maildrop->key];
    removed = std::max(removed, record.id);
  }
  table_.Remove(*maildrop, record.id);
}

bool Replayer::WasDeleted(const Record& record) const {
  if (expunged_.contains(record.id.value())) return true;
  const auto removed = removed_.find(KeyOf(record));
  return removed != removed_.end() && record.id < removed->second;
}

void Replayer::Move(const Record& record, Lsn at) {
  MaildropState* const maildrop = Loaded(record);
  if (maildrop == nullptr) return;
  table_.NoteMovedOut(record.moved_from.segment());
  if (const MessageEntry* const entry = maildrop->list->Find(record.id); entry != nullptr) {
    // In a rebuild the message may still seem to stand where it stood before the last moves: what
    // told of those is gone with its segment. The later place is the right one.
    table_.Move(*maildrop, record.id, rebuilding_ ? entry->lsn : record.moved_from, at);
    return;
  }
  if (rebuilding_ && !WasDeleted(record)) {
    table_.Insert(*maildrop, EntryOf(record, at), record.uidl);
  }
}

}  // namespace poplar::storage
