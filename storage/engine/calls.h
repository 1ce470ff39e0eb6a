// What shards ask of a partition's shard. Each call is made on the asking shard, executed on the
// partition's, and completed where it was made; calls of one kind come from a pool of the asking
// shard.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/io/shard.h"
#include "core/io/task.h"
#include "storage/engine/context.h"

namespace poplar::storage {

class EmbeddedShardStore;

// What opening a maildrop gives: the lease, and all that reading needs. Immutable but for the
// lease's `lost`.
struct OpenGrant {
  MaildropKey key;
  std::string encoded_key;
  uint32_t partition = 0;
  std::shared_ptr<const MessageList> list;
  std::shared_ptr<const SegmentTable> segments;
  std::shared_ptr<Lease> lease;
};

class OpenCall final : public io::ShardRequest, private ListWaiter {
 public:
  explicit OpenCall(EmbeddedShardStore& home) : home_(home) {}
  void Start(MaildropKey key, SessionId session, io::Completion<OpenResult>& done);

 private:
  void Execute(io::Shard& target) override;
  void ListReady(MaildropState* maildrop, const Status& why) override;
  void Completed() override;
  void Expired() override;

  EmbeddedShardStore& home_;
  io::Completion<OpenResult>* done_ = nullptr;
  std::unique_ptr<OpenGrant> grant_;
  LeaseHolder holder_;
  OpenResult result_;
};

// Ends a lease, with deletions or without.
class CommitCall final : public io::ShardRequest, private MovesWaiter, private LogAppend {
 public:
  explicit CommitCall(EmbeddedShardStore& home) : home_(home) {}
  // `done` may be null: nobody waits. Ids ascend.
  void Start(std::shared_ptr<const OpenGrant> grant, std::vector<MessageId> ids,
             io::Completion<CommitOutcome>* done);

 private:
  void Execute(io::Shard& target) override;
  void MovesEnded() override;
  void Appended(AppendOutcome outcome, Lsn at) override;
  void Completed() override;
  void Expired() override;
  Partition& partition();

  EmbeddedShardStore& home_;
  std::shared_ptr<const OpenGrant> grant_;
  std::vector<MessageId> ids_;
  std::string body_;                   // Of the record.
  MaildropState* maildrop_ = nullptr;  // Pinned while the record is under way.
  io::Completion<CommitOutcome>* done_ = nullptr;
  CommitOutcome outcome_ = CommitOutcome::kFailed;
};

class TotalsCall final : public io::ShardRequest, private ListWaiter {
 public:
  explicit TotalsCall(EmbeddedShardStore& home) : home_(home) {}
  void Start(const MaildropKey& key, io::Completion<StatusOr<MaildropTotals>>& done);

 private:
  void Execute(io::Shard& target) override;
  void ListReady(MaildropState* maildrop, const Status& why) override;
  void Completed() override;
  void Expired() override;

  EmbeddedShardStore& home_;
  std::string key_;
  uint32_t partition_ = 0;
  io::Completion<StatusOr<MaildropTotals>>* done_ = nullptr;
  StatusOr<MaildropTotals> totals_ = MaildropTotals();
};

class RemoveCall final : public io::ShardRequest,
                         private ListWaiter,
                         private MovesWaiter,
                         private LogAppend {
 public:
  explicit RemoveCall(EmbeddedShardStore& home) : home_(home) {}
  void Start(MaildropKey key, io::Completion<Status>& done);

 private:
  void Execute(io::Shard& target) override;
  void ListReady(MaildropState* maildrop, const Status& why) override;
  void MovesEnded() override;
  void Appended(AppendOutcome outcome, Lsn at) override;
  void Completed() override;
  void Expired() override;
  Partition& partition();

  EmbeddedShardStore& home_;
  MaildropKey key_;
  std::string encoded_key_;
  uint32_t partition_ = 0;
  io::Completion<Status>* done_ = nullptr;
  MaildropState* maildrop_ = nullptr;  // Pinned while the record is under way.
  Status status_;
};

}  // namespace poplar::storage
