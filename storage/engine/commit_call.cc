#include "storage/engine/commit_call.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "storage/engine/shard_store.h"
#include "storage/format/checksum.h"

namespace poplar::storage {

void CommitCall::Start(std::shared_ptr<const OpenGrant> grant, std::vector<MessageId> deleted,
                       std::vector<MessageId> fetched, io::Completion<CommitOutcome>* done) {
  grant_ = std::move(grant);
  deleted_ = std::move(deleted);
  fetched_ = std::move(fetched);
  done_ = done;
  outcome_ = CommitOutcome::kDone;
  home_.shard().Send(home_.context().ShardOf(grant_->partition), *this);
}

Partition& CommitCall::partition() { return *home_.context().partitions[grant_->partition]; }

void CommitCall::Execute(io::Shard& /*target*/) {
  MaildropState* const maildrop = partition().table().Find(grant_->encoded_key);
  if (maildrop == nullptr || maildrop->lease != grant_->lease) {
    if (!deleted_.empty()) outcome_ = CommitOutcome::kRefused;
    Reply();
    return;
  }
  maildrop_ = maildrop;
  ++maildrop_->pins;
  parts_under_way_ = 1;  // Answers may come before all parts have begun.
  const TenantPolicy policy = partition().PolicyOf(grant_->key.tenant);  // It may change meanwhile.
  if (policy.expire_read_days == 0U) {
    std::vector<MessageId> all;
    std::set_union(deleted_.begin(), deleted_.end(), fetched_.begin(), fetched_.end(),
                   std::back_inserter(all));
    deleted_ = std::move(all);
  }
  if (policy.expire_read_days.has_value()) AppendReadMarks();
  if (deleted_.empty()) return PartEnded();
  if (policy.keep_deleted_days == 0) return Delete(nullptr);
  partition().WithList(KeptKeyOf(grant_->encoded_key), *this);
}

// The list of what is kept. One that is damaged stays so until a start makes the index anew from
// the log, which has what is kept until then.
void CommitCall::MaildropReady(MaildropState* kept, const Status& why) {
  if (kept != nullptr) return Delete(kept);
  if (why.code() == StatusCode::kDataLoss) {
    return deletion_.BeginUnlisted(partition(), *maildrop_, std::move(deleted_),
                                   grant_->lease->holder.session.value());
  }
  outcome_ = CommitOutcome::kFailed;
  PartEnded();
}

void CommitCall::Delete(MaildropState* kept) {
  deletion_.Begin(partition(), *maildrop_, kept, std::move(deleted_),
                  grant_->lease->holder.session.value());
}

void CommitCall::OnDeleted() {
  switch (deletion_.outcome()) {
    case AppendOutcome::kDurable:
      partition().metrics().commits.Add();
      break;
    case AppendOutcome::kUnknown:
      outcome_ = CommitOutcome::kUnknown;
      break;
    case AppendOutcome::kFull:
    case AppendOutcome::kTemporary:
      outcome_ = CommitOutcome::kFailed;
      break;
  }
  PartEnded();
}

// For what stays, and was not read before.
void CommitCall::AppendReadMarks() {
  std::erase_if(fetched_, [this](MessageId id) {
    const MessageEntry* const entry = maildrop_->list->Find(id);
    return entry == nullptr || (entry->flags & kEntryRead) != 0 ||
           std::binary_search(deleted_.begin(), deleted_.end(), id);
  });
  if (fetched_.empty()) return;
  read_body_ = EncodeReadIds(fetched_);
  record = {};
  record.kind = RecordKind::kRead;
  record.tenant = grant_->key.tenant;
  record.account = grant_->key.account;
  record.time_us = home_.context().options.clock->WallUs();
  record.day = DayOf(record.time_us);
  record.body = read_body_;
  record.body_bytes = static_cast<uint32_t>(read_body_.size());
  record.body_checksum = Checksum(read_body_);
  ++parts_under_way_;
  partition().log().Append(*this);
}

// Without its mark a message stays longer, no more: that is no failure of the session's.
void CommitCall::Appended(AppendOutcome outcome, Lsn /*at*/) {
  if (outcome == AppendOutcome::kDurable) {
    partition().table().MarkRead(*maildrop_, fetched_, record.day);
  }
  PartEnded();
}

void CommitCall::PartEnded() {
  if (--parts_under_way_ > 0) return;
  partition().EndLease(grant_->encoded_key, grant_->lease);
  partition().table().Unpin(*std::exchange(maildrop_, nullptr));
  partition().Applied();
  Reply();
}

void CommitCall::Completed() {
  io::Completion<CommitOutcome>* const done = std::exchange(done_, nullptr);
  grant_.reset();
  deleted_.clear();
  fetched_.clear();
  const CommitOutcome outcome = outcome_;
  home_.commit_calls.Give(*this);
  if (done != nullptr) done->Set(outcome);
}

void CommitCall::Expired() {
  // The lease must come back, however long it takes; the deletions are given up.
  std::shared_ptr<const OpenGrant> grant = std::move(grant_);
  io::Completion<CommitOutcome>* const done = std::exchange(done_, nullptr);
  Start(std::move(grant), {}, {}, nullptr);
  if (done != nullptr) done->Set(CommitOutcome::kFailed);
}

}  // namespace poplar::storage
