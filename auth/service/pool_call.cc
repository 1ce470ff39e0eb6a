#include "auth/service/pool_call.h"

#include "core/base/check.h"
#include "core/base/clock.h"

namespace poplar::auth {

bool PoolCall::Start(io::OffloadPool& pool, uint64_t key, uint64_t deadline_ms) {
  POP_CHECK(!under_way_);
  too_late_.store(false, std::memory_order_relaxed);
  asked_ = false;
  if (!pool.Submit(reactor_, key, *this)) return false;
  under_way_ = true;
  if (deadline_ms != 0) deadline_.Arm(deadline_ms);
  return true;
}

void PoolCall::Work() {
  if (too_late_.load(std::memory_order_relaxed)) return;
  const uint64_t start_us = base::SystemClock().MonotonicUs();
  Ask();
  asked_us_ = base::SystemClock().MonotonicUs() - start_us;
  asked_ = true;
}

void PoolCall::Done() {
  deadline_.Disarm();
  under_way_ = false;
  OnEnd();
}

void PoolCall::OnTimer() {
  too_late_.store(true, std::memory_order_relaxed);
  OnDeadline();
}

}  // namespace poplar::auth
