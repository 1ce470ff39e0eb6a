// Tells every shard what to forget, and when all have done so, who asked. Lives on the shard that
// starts it.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "auth/service/context.h"
#include "core/io/shard.h"

namespace poplar::auth {

class Forgetting {
 public:
  using Ended = absl::AnyInvocable<void(Forgetting&)>;  // Last; may destroy it.

  Forgetting(AuthContext& context, BackendChanges changes, Ended ended);

  // On shard `here`.
  void Begin(io::Shard& here);

 private:
  class OnOneShard : public io::ShardRequest {
   public:
    OnOneShard(Forgetting& owner, ShardIndex to) : owner_(owner), to_(to) {}
    void Ask(io::Shard& here) { here.Send(to_, *this); }

   private:
    void Execute(io::Shard& target) override;
    void Completed() override { owner_.OnForgotten(); }
    // A shard that is this busy is asked again: it must not go on with what is wrong.
    void Expired() override { Ask(*io::Shard::Current()); }

    Forgetting& owner_;
    const ShardIndex to_;
  };

  void OnForgotten();

  AuthContext& context_;
  const BackendChanges changes_;  // Read by all shards.
  Ended ended_;
  std::deque<OnOneShard> requests_;
  uint32_t missing_ = 0;
};

}  // namespace poplar::auth
