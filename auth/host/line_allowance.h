// How many lines of a plug-in the server's log takes: so many a second, the rest is counted. Time
// comes from the caller. Any thread.

#pragma once

#include <cstdint>
#include <mutex>
#include <utility>

namespace poplar::auth {

// Of one process, whatever its threads and instances are.
inline constexpr uint32_t kPluginLinesPerS = 50;

class LineAllowance {
 public:
  struct Verdict {
    bool taken = false;
    uint64_t left_out_before = 0;  // In a second that is over; told once.
  };

  // One more line.
  Verdict Take(uint64_t now_us) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Verdict verdict{.left_out_before = EndSecond(now_us)};
    if (begun_us_ == 0) begun_us_ = now_us;
    verdict.taken = lines_ < kPluginLinesPerS;
    ++(verdict.taken ? lines_ : left_out_);
    return verdict;
  }
  // Without another line: what was left out in a second that is over.
  uint64_t TakeLeftOut(uint64_t now_us) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return EndSecond(now_us);
  }

 private:
  static constexpr uint64_t kSecondUs = 1'000'000;

  uint64_t EndSecond(uint64_t now_us) {
    if (begun_us_ == 0 || now_us - begun_us_ < kSecondUs) return 0;
    begun_us_ = 0;
    lines_ = 0;
    return std::exchange(left_out_, 0);
  }

  std::mutex mutex_;
  uint64_t begun_us_ = 0;  // When the first line of this second came; 0: none has come.
  uint64_t lines_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace poplar::auth
