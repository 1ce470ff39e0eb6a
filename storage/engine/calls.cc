#include "storage/engine/calls.h"

#include <utility>

#include "core/base/check.h"
#include "storage/engine/shard_store.h"
#include "storage/format/checksum.h"

namespace poplar::storage {

Status NoCredit() {
  return MakeStatus(StatusCode::kDeadlineExceeded, "the maildrop's shard is overloaded");
}

// --- OpenCall

void OpenCall::Start(MaildropKey key, SessionId session, io::Completion<OpenResult>& done) {
  holder_ = {home_.shard().index(), session};
  Send(std::move(key), /*only_reads=*/false, done);
}

void OpenCall::StartToRead(MaildropKey key, io::Completion<OpenResult>& done) {
  Send(std::move(key), /*only_reads=*/true, done);
}

void OpenCall::Send(MaildropKey key, bool only_reads, io::Completion<OpenResult>& done) {
  EngineContext& context = home_.context();
  done_ = &done;
  result_ = {};
  grant_ = std::make_unique<OpenGrant>();
  grant_->only_reads = only_reads;
  grant_->partition = context.Place(key);
  grant_->encoded_key = EncodeMaildropKey(key);
  grant_->key = std::move(key);
  home_.shard().Send(context.ShardOf(grant_->partition), *this);
}

void OpenCall::Execute(io::Shard& /*target*/) {
  home_.context().partitions[grant_->partition]->WithList(grant_->encoded_key, *this);
}

void OpenCall::MaildropReady(MaildropState* maildrop, const Status& why) {
  if (maildrop == nullptr) {
    result_.outcome =
        why.code() == StatusCode::kDataLoss ? OpenOutcome::kDamaged : OpenOutcome::kTemporary;
    result_.why = why;
  } else if (!grant_->only_reads && maildrop->lease != nullptr) {
    result_.outcome = OpenOutcome::kInUse;
    result_.held_by = maildrop->lease->holder;
  } else {
    result_.outcome = OpenOutcome::kOpen;
    Grant(*maildrop);
  }
  Reply();
}

void OpenCall::Grant(MaildropState& maildrop) {
  Partition& partition = *home_.context().partitions[grant_->partition];
  if (grant_->only_reads) {
    grant_->lease = maildrop.readers.lock();
    if (grant_->lease == nullptr) maildrop.readers = grant_->lease = std::make_shared<Lease>();
  } else {
    grant_->lease = maildrop.lease = std::make_shared<Lease>();
    grant_->lease->holder = holder_;
    grant_->wants_fetched = partition.PolicyOf(grant_->key.tenant).expire_read_days.has_value();
    partition.metrics().leases.Add(1);
  }
  grant_->list = partition.table().Snapshot(maildrop);
  grant_->segments = partition.keeper().segments();
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

void TotalsCall::MaildropReady(MaildropState* maildrop, const Status& why) {
  if (IsKeptKey(key_)) {
    totals_->kept_why = why;
    if (maildrop != nullptr) {
      totals_->kept_messages = maildrop->list->count();
      totals_->kept_octets = maildrop->list->octets();
    }
  } else if (maildrop == nullptr) {
    totals_ = why;
  } else {
    const MessageList& list = *maildrop->list;
    totals_ = MaildropTotals();
    totals_->messages = list.count();
    totals_->octets = list.octets();
    totals_->wire_bytes = list.wire_bytes();
    key_ = KeptKeyOf(key_);
    home_.context().partitions[partition_]->WithList(key_, *this);
    return;
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

// --- RoomCall

void RoomCall::Start(DeliveryRecipient recipient, uint64_t octets,
                     io::Completion<StatusOr<Room>>& done) {
  EngineContext& context = home_.context();
  recipient_ = std::move(recipient);
  octets_ = octets;
  done_ = &done;
  partition_ = context.Place(recipient_.key);
  home_.shard().Send(context.ShardOf(partition_), *this);
}

void RoomCall::Execute(io::Shard& /*target*/) {
  Partition& partition = *home_.context().partitions[partition_];
  const TenantId tenant = recipient_.key.tenant;
  const TenantTotals used = partition.ledger().TotalsOf(tenant);
  const Quota& quota = partition.PolicyOf(tenant).quota;
  const bool fits = quota.Allows(used.octets + octets_, used.messages + 1);
  answer_ = fits ? Room::kEnough : Room::kOverTenantQuota;
  if (!fits || !recipient_.quota.limited()) return Reply();
  partition.WithTotals(EncodeMaildropKey(recipient_.key), *this);
}

void RoomCall::MaildropReady(MaildropState* maildrop, const Status& why) {
  if (maildrop != nullptr) {
    answer_ = maildrop->Allows(recipient_.quota, octets_) ? Room::kEnough : Room::kOverQuota;
  } else if (why.code() == StatusCode::kDataLoss) {
    answer_ = Room::kEnough;  // As the delivery sees it.
  } else {
    answer_ = why;
  }
  Reply();
}

void RoomCall::Completed() {
  io::Completion<StatusOr<Room>>& done = *done_;
  const StatusOr<Room> answer = answer_;
  home_.room_calls.Give(*this);
  done.Set(answer);
}

void RoomCall::Expired() {
  answer_ = NoCredit();
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
  room = LogRoom::kLast;
  home_.shard().Send(context.ShardOf(partition_), *this);
}

Partition& RemoveCall::partition() { return *home_.context().partitions[partition_]; }

// The list must be here: what its blobs are, and what its segments lose, stands in it.
void RemoveCall::Execute(io::Shard& /*target*/) { partition().WithList(encoded_key_, *this); }

void RemoveCall::MaildropReady(MaildropState* maildrop, const Status& why) {
  if (maildrop == nullptr) {
    status_ = why;
    if (maildrop_ != nullptr) partition().table().Unpin(*std::exchange(maildrop_, nullptr));
    Reply();
    return;
  }
  ++maildrop->pins;
  if (!IsKeptKey(maildrop->key)) {
    maildrop_ = maildrop;
    partition().WithList(KeptKeyOf(encoded_key_), *this);
    return;
  }
  kept_ = maildrop;
  MovesEnded();
}

void RemoveCall::MovesEnded() {
  for (const MaildropState* each : {maildrop_, kept_}) {
    if (partition().WaitForMoves(*each, *this)) return;
  }
  // An ADD that found no room yet could be overtaken, and would outlive the REMOVE.
  if (partition().WaitForRestore(*kept_, *this)) return;
  ++maildrop_->deletions;
  ++kept_->deletions;
  partition().log().Append(*this);
}

void RemoveCall::Appended(AppendOutcome outcome, Lsn /*at*/) {
  Partition& owner = partition();
  --maildrop_->deletions;
  --kept_->deletions;
  if (outcome == AppendOutcome::kDurable) {
    Remove(*maildrop_);
    if (kept_->list->count() > 0) Remove(*kept_);
    status_ = OkStatus();
  } else {
    status_ = MakeStatus(
        outcome == AppendOutcome::kFull ? StatusCode::kResourceExhausted : StatusCode::kUnavailable,
        "the removal could not be written to the log");
  }
  owner.table().Unpin(*std::exchange(maildrop_, nullptr));
  owner.table().Unpin(*std::exchange(kept_, nullptr));
  owner.Applied();
  Reply();
}

// Expiry may hold the lease of either.
void RemoveCall::Remove(MaildropState& maildrop) {
  if (maildrop.lease != nullptr) partition().metrics().leases.Add(-1);
  partition().table().Remove(maildrop, record.id);
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
