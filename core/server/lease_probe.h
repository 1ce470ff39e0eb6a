// Asks the shard of a lease's holder what the holder is about, and makes it probe its peer if it
// seems alive. One question; lives in the asking coroutine's frame.

#pragma once

#include "core/io/shard.h"
#include "core/io/task.h"
#include "core/server/session_registry.h"
#include "core/server/shard_services.h"
#include "storage/api/store.h"

namespace poplar::server {

class LeaseProbe : private io::ShardRequest {
 public:
  // Asks at once.
  LeaseProbe(ShardServices& asking, const storage::LeaseHolder& holder,
             io::Completion<HolderState>& answer)
      : services_by_shard_(*asking.by_shard), holder_(holder), answer_(answer) {
    asking.shard.Send(holder_.shard, *this);
  }

 private:
  void Execute(io::Shard& target) override;
  void Completed() override { answer_.Set(state_); }
  void Expired() override { answer_.Set(HolderState::kAlive); }  // Not known: IN-USE is safe.

  const std::vector<ShardServices*>& services_by_shard_;
  const storage::LeaseHolder holder_;
  HolderState state_ = HolderState::kAlive;
  io::Completion<HolderState>& answer_;
};

}  // namespace poplar::server
