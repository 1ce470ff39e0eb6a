// One EXPUNGE on its way into the log (FORMAT.md sections 4 and 8): waits until no record of the
// maildrop is being moved, is written, and is applied. For sessions that end, for expiry and for
// kept mail whose time is over.
//
// Lives on the partition's shard, a field of its owner, who outlives the answer.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/engine/move_group.h"
#include "storage/segment/log.h"

namespace poplar::storage {

class Partition;

class Deletion final : private MovesWaiter, private LogAppend {
 public:
  using Handler = void (*)(void* owner);
  Deletion(void* owner, Handler ended) : owner_(owner), ended_(ended) {}

  // Deletes those of `ids` (ascending) that are in the list of `from`, for good; or with `kept`,
  // into that list. Both are loaded, and pinned until the end, which may come inside the call.
  // `from` may be a list of kept mail itself. `session` 0: nobody's.
  void Begin(Partition& partition, MaildropState& from, MaildropState* kept,
             std::vector<MessageId> ids, uint64_t session);
  // They are kept, and the list of kept mail is damaged: the log alone says so until the next start
  // makes the index anew.
  void BeginUnlisted(Partition& partition, MaildropState& from, std::vector<MessageId> ids,
                     uint64_t session);

  // --- After the end. kDurable also where nothing was left to delete.
  AppendOutcome outcome() const { return outcome_; }
  // That it named.
  size_t messages() const { return ids_.size(); }

 private:
  void Start(Partition& partition, MaildropState& from, std::vector<MessageId> ids,
             uint64_t session, bool keep);
  void MovesEnded() override;
  void Appended(AppendOutcome outcome, Lsn at) override;
  void End(AppendOutcome outcome);

  void* const owner_;
  const Handler ended_;
  Partition* partition_ = nullptr;
  MaildropState* from_ = nullptr;
  MaildropState* kept_ = nullptr;
  std::vector<MessageId> ids_;
  std::string account_;
  std::string body_;
  AppendOutcome outcome_ = AppendOutcome::kTemporary;
};

}  // namespace poplar::storage
