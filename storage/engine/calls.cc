#include "storage/engine/calls.h"

#include <utility>

#include "core/base/check.h"
#include "storage/engine/shard_store.h"
#include "storage/format/checksum.h"

namespace poplar::storage {
namespace {

Status NoCredit() {
  return MakeStatus(StatusCode::kDeadlineExceeded, "the maildrop's shard is overloaded");
}

}  // namespace

// --- OpenCall

void OpenCall::Start(MaildropKey key, SessionId session, io::Completion<OpenResult>& done) {
  EngineContext& context = home_.context();
  done_ = &done;
  result_ = {};
  holder_ = {home_.shard().index(), session};
  grant_ = std::make_unique<OpenGrant>();
  grant_->partition = context.Place(key);
  grant_->encoded_key = EncodeMaildropKey(key);
  grant_->key = std::move(key);
  home_.shard().Send(context.ShardOf(grant_->partition), *this);
}

void OpenCall::Execute(io::Shard& /*target*/) {
  home_.context().partitions[grant_->partition]->WithList(grant_->encoded_key, *this);
}

void OpenCall::ListReady(MaildropState* maildrop, const Status& why) {
  Partition& partition = *home_.context().partitions[grant_->partition];
  if (maildrop == nullptr) {
    result_.outcome =
        why.code() == StatusCode::kDataLoss ? OpenOutcome::kDamaged : OpenOutcome::kTemporary;
    result_.why = why;
  } else if (maildrop->lease != nullptr) {
    result_.outcome = OpenOutcome::kInUse;
    result_.held_by = maildrop->lease->holder;
  } else {
    result_.outcome = OpenOutcome::kOpen;
    maildrop->lease = std::make_shared<Lease>();
    maildrop->lease->holder = holder_;
    grant_->lease = maildrop->lease;
    grant_->list = partition.table().Snapshot(*maildrop);
    grant_->segments = partition.keeper().segments();
    partition.metrics().leases.Add(1);
  }
  Reply();
}

void OpenCall::Completed() {
  if (result_.outcome == OpenOutcome::kOpen) {
    result_.maildrop = home_.MakeMaildrop(std::move(grant_));
  }
  grant_.reset();
  OpenResult result = std::exchange(result_, {});
  io::Completion<OpenResult>& done = *done_;
  home_.open_calls.Give(*this);
  done.Set(std::move(result));
}

void OpenCall::Expired() {
  result_.outcome = OpenOutcome::kTemporary;
  result_.why = NoCredit();
  Completed();
}

// --- CommitCall

void CommitCall::Start(std::shared_ptr<const OpenGrant> grant, std::vector<MessageId> ids,
                       io::Completion<CommitOutcome>* done) {
  grant_ = std::move(grant);
  ids_ = std::move(ids);
  body_.assign(ids_.size() * kExpungedBytes, '\0');
  done_ = done;
  outcome_ = CommitOutcome::kFailed;
  record = {};
  record.kind = RecordKind::kExpunge;
  record.tenant = grant_->key.tenant;
  record.account = grant_->key.account;
  record.reference = grant_->lease->holder.session.value();
  record.time_us = home_.context().options.clock->WallUs();
  frees_space = true;
  home_.shard().Send(home_.context().ShardOf(grant_->partition), *this);
}

Partition& CommitCall::partition() { return *home_.context().partitions[grant_->partition]; }

void CommitCall::Execute(io::Shard& /*target*/) {
  MaildropState* const maildrop = partition().table().Find(grant_->encoded_key);
  if (maildrop == nullptr || maildrop->lease != grant_->lease) {
    outcome_ = ids_.empty() ? CommitOutcome::kDone : CommitOutcome::kRefused;
    Reply();
    return;
  }
  if (!ids_.empty()) {
    if (!partition().WaitForMoves(*maildrop, *this)) MovesEnded();
    return;
  }
  outcome_ = CommitOutcome::kDone;
  partition().EndLease(grant_->encoded_key, grant_->lease);
  partition().Applied();
  Reply();
}

// Where the messages stand is known now, and stays so until the record is applied.
void CommitCall::MovesEnded() {
  MaildropState* const maildrop = partition().table().Find(grant_->encoded_key);
  if (maildrop == nullptr || maildrop->lease != grant_->lease) {
    outcome_ = CommitOutcome::kRefused;
    Reply();
    return;
  }
  for (size_t i = 0; i < ids_.size(); ++i) {
    const MessageEntry* const entry = maildrop->list->Find(ids_[i]);
    EncodeExpunged({ids_[i], entry == nullptr ? Lsn() : entry->lsn}, &body_[i * kExpungedBytes]);
  }
  record.body = body_;
  record.body_bytes = static_cast<uint32_t>(body_.size());
  record.body_checksum = Checksum(body_);
  maildrop_ = maildrop;
  ++maildrop_->pins;
  ++maildrop_->deletions;
  partition().log().Append(*this);
}

void CommitCall::Appended(AppendOutcome outcome, Lsn /*at*/) {
  Partition& owner = partition();
  MaildropState& maildrop = *std::exchange(maildrop_, nullptr);
  --maildrop.deletions;
  if (outcome == AppendOutcome::kDurable) {
    outcome_ = CommitOutcome::kDone;
    // A removal that was durable before left nothing to delete.
    owner.table().Expunge(maildrop, ids_);
    owner.metrics().commits.Add();
    owner.metrics().expunged.Add(ids_.size());
  } else {
    outcome_ =
        outcome == AppendOutcome::kUnknown ? CommitOutcome::kUnknown : CommitOutcome::kFailed;
  }
  owner.EndLease(grant_->encoded_key, grant_->lease);
  owner.table().Unpin(maildrop);
  owner.Applied();
  Reply();
}

void CommitCall::Completed() {
  io::Completion<CommitOutcome>* const done = std::exchange(done_, nullptr);
  grant_.reset();
  ids_.clear();
  const CommitOutcome outcome = outcome_;
  home_.commit_calls.Give(*this);
  if (done != nullptr) done->Set(outcome);
}

void CommitCall::Expired() {
  // The lease must come back, however long it takes; the deletions are given up.
  std::shared_ptr<const OpenGrant> grant = std::move(grant_);
  io::Completion<CommitOutcome>* const done = std::exchange(done_, nullptr);
  Start(std::move(grant), {}, nullptr);
  if (done != nullptr) done->Set(CommitOutcome::kFailed);
}

// --- TotalsCall

void TotalsCall::Start(const MaildropKey& key, io::Completion<StatusOr<MaildropTotals>>& done) {
  EngineContext& context = home_.context();
  done_ = &done;
  partition_ = context.Place(key);
  key_ = EncodeMaildropKey(key);
  home_.shard().Send(context.ShardOf(partition_), *this);
}

void TotalsCall::Execute(io::Shard& /*target*/) {
  home_.context().partitions[partition_]->WithList(key_, *this);
}

void TotalsCall::ListReady(MaildropState* maildrop, const Status& why) {
  if (maildrop == nullptr) {
    totals_ = why;
  } else {
    const MessageList& list = *maildrop->list;
    totals_ = MaildropTotals{list.count(), list.octets(), list.wire_bytes()};
  }
  Reply();
}

void TotalsCall::Completed() {
  io::Completion<StatusOr<MaildropTotals>>& done = *done_;
  StatusOr<MaildropTotals> totals = std::move(totals_);
  home_.totals_calls.Give(*this);
  done.Set(std::move(totals));
}

void TotalsCall::Expired() {
  totals_ = NoCredit();
  Completed();
}

// --- RemoveCall

void RemoveCall::Start(MaildropKey key, io::Completion<Status>& done) {
  EngineContext& context = home_.context();
  done_ = &done;
  partition_ = context.Place(key);
  encoded_key_ = EncodeMaildropKey(key);
  key_ = std::move(key);
  record = {};
  record.kind = RecordKind::kRemove;
  record.tenant = key_.tenant;
  record.account = key_.account;
  record.body_checksum = Checksum({});
  record.time_us = context.options.clock->WallUs();
  frees_space = true;
  home_.shard().Send(context.ShardOf(partition_), *this);
}

Partition& RemoveCall::partition() { return *home_.context().partitions[partition_]; }

// The list must be here: what its blobs are, and what its segments lose, stands in it.
void RemoveCall::Execute(io::Shard& /*target*/) { partition().WithList(encoded_key_, *this); }

void RemoveCall::ListReady(MaildropState* maildrop, const Status& why) {
  if (maildrop == nullptr) {
    status_ = why;
    Reply();
    return;
  }
  maildrop_ = maildrop;
  ++maildrop_->pins;
  if (!partition().WaitForMoves(*maildrop_, *this)) MovesEnded();
}

void RemoveCall::MovesEnded() {
  ++maildrop_->deletions;
  partition().log().Append(*this);
}

void RemoveCall::Appended(AppendOutcome outcome, Lsn /*at*/) {
  Partition& owner = partition();
  --maildrop_->deletions;
  if (outcome == AppendOutcome::kDurable) {
    const bool was_leased = maildrop_->lease != nullptr;
    owner.table().Remove(*maildrop_, record.id);
    if (was_leased) owner.metrics().leases.Add(-1);
    status_ = OkStatus();
  } else {
    status_ = MakeStatus(
        outcome == AppendOutcome::kFull ? StatusCode::kResourceExhausted : StatusCode::kUnavailable,
        "the removal could not be written to the log");
  }
  owner.table().Unpin(*std::exchange(maildrop_, nullptr));
  owner.Applied();
  Reply();
}

void RemoveCall::Completed() {
  io::Completion<Status>& done = *done_;
  const Status status = std::exchange(status_, OkStatus());
  home_.remove_calls.Give(*this);
  done.Set(status);
}

void RemoveCall::Expired() {
  status_ = NoCredit();
  Completed();
}

}  // namespace poplar::storage
