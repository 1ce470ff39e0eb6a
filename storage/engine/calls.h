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

// What a call is told that the partition's shard took no more calls of this one.
Status NoCredit();

// What opening a maildrop gives: the lease, or a share of the readers' one, and all that reading
// needs. Immutable but for the lease's `lost`.
struct OpenGrant {
  MaildropKey key;
  std::string encoded_key;
  uint32_t partition = 0;
  std::shared_ptr<const MessageList> list;
  std::shared_ptr<const SegmentTable> segments;
  std::shared_ptr<Lease> lease;
  bool wants_fetched = false;  // By the tenant's policy.
  bool only_reads = false;
};

class OpenCall final : public io::ShardRequest, private MaildropWaiter {
 public:
  explicit OpenCall(EmbeddedShardStore& home) : home_(home) {}
  void Start(MaildropKey key, SessionId session, io::Completion<OpenResult>& done);
  void StartToRead(MaildropKey key, io::Completion<OpenResult>& done);

 private:
  void Send(MaildropKey key, bool only_reads, io::Completion<OpenResult>& done);
  // REQUIRES: it may have one.
  void Grant(MaildropState& maildrop);

  void Execute(io::Shard& target) override;
  void MaildropReady(MaildropState* maildrop, const Status& why) override;
  void Completed() override;
  void Expired() override;

  EmbeddedShardStore& home_;
  io::Completion<OpenResult>* done_ = nullptr;
  std::unique_ptr<OpenGrant> grant_;
  LeaseHolder holder_;
  OpenResult result_;
};

class TotalsCall final : public io::ShardRequest, private MaildropWaiter {
 public:
  explicit TotalsCall(EmbeddedShardStore& home) : home_(home) {}
  void Start(const MaildropKey& key, io::Completion<StatusOr<MaildropTotals>>& done);

 private:
  void Execute(io::Shard& target) override;
  void MaildropReady(MaildropState* maildrop, const Status& why) override;
  void Completed() override;
  void Expired() override;

  EmbeddedShardStore& home_;
  std::string key_;  // Then of the kept mail.
  uint32_t partition_ = 0;
  io::Completion<StatusOr<MaildropTotals>>* done_ = nullptr;
  StatusOr<MaildropTotals> totals_ = MaildropTotals();
};

// Whether a delivery is within its quotas just now.
class RoomCall final : public io::ShardRequest, private MaildropWaiter {
 public:
  explicit RoomCall(EmbeddedShardStore& home) : home_(home) {}
  void Start(DeliveryRecipient recipient, uint64_t octets, io::Completion<StatusOr<Room>>& done);

 private:
  void Execute(io::Shard& target) override;
  void MaildropReady(MaildropState* maildrop, const Status& why) override;
  void Completed() override;
  void Expired() override;

  EmbeddedShardStore& home_;
  DeliveryRecipient recipient_;
  uint64_t octets_ = 0;
  uint32_t partition_ = 0;
  io::Completion<StatusOr<Room>>* done_ = nullptr;
  StatusOr<Room> answer_ = Room::kEnough;
};

class RemoveCall final : public io::ShardRequest,
                         private MaildropWaiter,
                         private MovesWaiter,
                         private LogAppend {
 public:
  explicit RemoveCall(EmbeddedShardStore& home) : home_(home) {}
  void Start(MaildropKey key, io::Completion<Status>& done);

 private:
  void Execute(io::Shard& target) override;
  void MaildropReady(MaildropState* maildrop, const Status& why) override;
  void MovesEnded() override;
  void Appended(AppendOutcome outcome, Lsn at) override;
  void Completed() override;
  void Expired() override;
  void Remove(MaildropState& maildrop);
  Partition& partition();

  EmbeddedShardStore& home_;
  MaildropKey key_;
  std::string encoded_key_;
  uint32_t partition_ = 0;
  io::Completion<Status>* done_ = nullptr;
  MaildropState* maildrop_ = nullptr;  // Pinned while the record is under way.
  MaildropState* kept_ = nullptr;      // The same.
  Status status_;
};

}  // namespace poplar::storage
