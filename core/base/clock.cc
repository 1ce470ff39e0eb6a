#include "core/base/clock.h"

#include <chrono>
#include <ctime>
#include <thread>

namespace poplar::base {
namespace {

int64_t ReadUs(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

class RealClock : public Clock {
 public:
  uint64_t MonotonicUs() const override { return static_cast<uint64_t>(ReadUs(CLOCK_MONOTONIC)); }
  int64_t WallUs() const override { return ReadUs(CLOCK_REALTIME); }
};

}  // namespace

void Clock::SleepUs(uint64_t us) const {
  std::this_thread::sleep_for(std::chrono::microseconds(us));
}

uint64_t Clock::ThreadCpuUs() const {
  return static_cast<uint64_t>(ReadUs(CLOCK_THREAD_CPUTIME_ID));
}

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

}  // namespace poplar::base
