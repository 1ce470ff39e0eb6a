// A question that waits, by a timer, because its client's address has failed too often. Lives on
// the shard that was asked.

#pragma once

#include <cstdint>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "core/io/reactor.h"
#include "core/io/timer.h"

namespace poplar::auth {

class ThrottleWait {
 public:
  // `over` comes once, and may destroy this.
  using Over = absl::AnyInvocable<void(ThrottleWait&)>;

  ThrottleWait(io::Reactor& reactor, uint32_t delay_ms, Over over);

 private:
  void OnTimer();

  Over over_;
  io::TimerFor<&ThrottleWait::OnTimer> timer_;
};

}  // namespace poplar::auth
