#include "storage/engine/deletion.h"

#include <utility>

#include "storage/engine/partition.h"
#include "storage/format/checksum.h"

namespace poplar::storage {

void Deletion::Begin(Partition& partition, MaildropState& from, MaildropState* kept,
                     std::vector<MessageId> ids, uint64_t session) {
  kept_ = kept;
  if (kept != nullptr) ++kept->pins;
  Start(partition, from, std::move(ids), session, kept != nullptr);
}

void Deletion::BeginUnlisted(Partition& partition, MaildropState& from, std::vector<MessageId> ids,
                             uint64_t session) {
  kept_ = nullptr;
  Start(partition, from, std::move(ids), session, true);
}

void Deletion::Start(Partition& partition, MaildropState& from, std::vector<MessageId> ids,
                     uint64_t session, bool keep) {
  partition_ = &partition;
  from_ = &from;
  ids_ = std::move(ids);
  ++from.pins;
  MaildropKey key = DecodeMaildropKey(from.key);
  account_ = std::move(key.account);
  record = {};
  record.kind = RecordKind::kExpunge;
  if (IsKeptKey(from.key)) record.flags |= kRecordPurge;
  if (keep) record.flags |= kRecordKept;
  record.tenant = key.tenant;
  record.account = account_;
  record.reference = session;
  record.time_us = partition.clock().WallUs();
  room = LogRoom::kLast;
  if (!partition.WaitForMoves(from, *this)) MovesEnded();
}

// Where the messages stand is known now, and stays so until the record is applied.
void Deletion::MovesEnded() {
  const MessageList& list = *from_->list;
  // A removal may have been faster.
  std::erase_if(ids_, [&](MessageId id) { return list.Find(id) == nullptr; });
  if (ids_.empty()) return End(AppendOutcome::kDurable);
  body_.assign(ids_.size() * kExpungedBytes, '\0');
  for (size_t i = 0; i < ids_.size(); ++i) {
    EncodeExpunged({ids_[i], list.Find(ids_[i])->lsn}, &body_[i * kExpungedBytes]);
  }
  record.body = body_;
  record.body_bytes = static_cast<uint32_t>(body_.size());
  record.body_checksum = Checksum(body_);
  ++from_->deletions;
  partition_->log().Append(*this);
}

void Deletion::Appended(AppendOutcome outcome, Lsn /*at*/) {
  --from_->deletions;
  if (outcome == AppendOutcome::kDurable) {
    MaildropTable& table = partition_->table();
    const bool keep = (record.flags & kRecordKept) != 0;
    if (!keep) {
      table.Expunge(*from_, ids_);
    } else if (kept_ != nullptr) {
      table.Keep(*from_, *kept_, ids_, {record.time_us, record.reference});
    } else {
      table.KeepUnlisted(*from_, ids_);
    }
    if (keep) partition_->metrics().kept.Add(ids_.size());
    partition_->metrics().expunged.Add(ids_.size());
  }
  End(outcome);
}

void Deletion::End(AppendOutcome outcome) {
  outcome_ = outcome;
  MaildropTable& table = partition_->table();
  table.Unpin(*std::exchange(from_, nullptr));
  if (kept_ != nullptr) table.Unpin(*std::exchange(kept_, nullptr));
  partition_->Applied();
  ended_(owner_);
}

}  // namespace poplar::storage
