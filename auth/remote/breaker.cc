#include "auth/remote/breaker.h"

#include <algorithm>

namespace poplar::auth {

bool Breaker::WouldAllow(uint64_t now_us) const {
  switch (state(now_us)) {
    case State::kClosed:
      return true;
    case State::kOpen:
      return false;
    case State::kHalfOpen:
      return !trying_;
  }
  return false;
}

bool Breaker::Allow(uint64_t now_us) {
  const bool allowed = WouldAllow(now_us);
  if (allowed) trying_ = !closed();
  return allowed;
}

void Breaker::Succeeded() {
  failures_ = 0;
  pause_us_ = 0;
  trying_ = false;
}

void Breaker::Failed(uint64_t now_us, uint32_t random, bool may_open) {
  ++failures_;
  const bool was_try = trying_;
  trying_ = false;
  if (pause_us_ == 0) {
    if (failures_ < options_.failures_max || !may_open) return;
    pause_us_ = options_.pause_us;
  } else if (was_try) {
    pause_us_ = std::min(pause_us_ * 2, options_.pause_us_max);
  } else {
    return;  // Asked before it opened.
  }
  // From three quarters of the pause to five.
  const uint64_t half = pause_us_ / 2;
  open_until_us_ = now_us + pause_us_ - half / 2 + (half == 0 ? 0 : random % half);
}

Breaker::State Breaker::state(uint64_t now_us) const {
  if (pause_us_ == 0) return State::kClosed;
  return now_us < open_until_us_ ? State::kOpen : State::kHalfOpen;
}

}  // namespace poplar::auth
