// The end of a session on its maildrop's shard: deletions, marks of what was read, and the lease.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/engine/calls.h"
#include "storage/engine/deletion.h"

namespace poplar::storage {

// Ends a lease, with deletions or without. Deletes at once, or where the tenant's policy says so
// into the list of kept mail; marks what was fetched as read.
class CommitCall final : public io::ShardRequest, private MaildropWaiter, private LogAppend {
 public:
  explicit CommitCall(EmbeddedShardStore& home) : home_(home) {}
  // `done` may be null: nobody waits. Ids ascend.
  void Start(std::shared_ptr<const OpenGrant> grant, std::vector<MessageId> deleted,
             std::vector<MessageId> fetched, io::Completion<CommitOutcome>* done);

 private:
  void Execute(io::Shard& target) override;
  void MaildropReady(MaildropState* kept, const Status& why) override;
  void Delete(MaildropState* kept);
  void OnDeleted();
  void AppendReadMarks();
  void Appended(AppendOutcome outcome, Lsn at) override;
  void PartEnded();
  void Completed() override;
  void Expired() override;
  Partition& partition();

  EmbeddedShardStore& home_;
  std::shared_ptr<const OpenGrant> grant_;
  std::vector<MessageId> deleted_;
  std::vector<MessageId> fetched_;
  MaildropState* maildrop_ = nullptr;  // Pinned until the lease ends.
  Deletion deletion_{this, [](void* self) { static_cast<CommitCall*>(self)->OnDeleted(); }};
  std::string read_body_;  // Of the READ record.
  uint32_t parts_under_way_ = 0;
  io::Completion<CommitOutcome>* done_ = nullptr;
  CommitOutcome outcome_ = CommitOutcome::kFailed;
};

}  // namespace poplar::storage
