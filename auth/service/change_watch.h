// Asks the back ends about once a second what changed, on a pool's thread, and has every shard
// forget it. The next question waits until the last one is dealt with. Lives on the first shard.

#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "auth/service/forgetting.h"
#include "auth/service/pending.h"
#include "auth/service/pool_call.h"
#include "core/io/timer.h"

namespace poplar::auth {

class ChangeWatch {
 public:
  explicit ChangeWatch(AuthContext& context, ShardAuthImpl& here);

  void Begin();
  void Stop();
  bool idle() const { return !poll_.under_way() && forgetting_.empty(); }

 private:
  class Poll : public PoolCall {
   public:
    Poll(ChangeWatch& watch, io::Reactor& reactor) : PoolCall(reactor), watch_(watch) {}
    BackendChanges changes;
    std::vector<std::pair<std::string_view, Status>> faults;  // By back end.

   private:
    void Ask() override;
    void OnDeadline() override {}  // Has none.
    void OnEnd() override { watch_.OnPolled(); }

    ChangeWatch& watch_;
  };

  void OnTime();
  void OnPolled();
  void Again();

  AuthContext& context_;
  ShardAuthImpl& here_;
  bool stopped_ = false;
  Poll poll_;
  Pending<Forgetting> forgetting_;
  io::TimerFor<&ChangeWatch::OnTime> timer_;
};

}  // namespace poplar::auth
