#include "auth/service/throttle_wait.h"

namespace poplar::auth {

ThrottleWait::ThrottleWait(io::Reactor& reactor, uint32_t delay_ms, Over over)
    : over_(std::move(over)), timer_(&reactor, this) {
  timer_.Arm(delay_ms);
}

void ThrottleWait::OnTimer() {
  Over over = std::move(over_);  // It may destroy this.
  over(*this);
}

}  // namespace poplar::auth
