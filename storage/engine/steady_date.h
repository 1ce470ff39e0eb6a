// Today's date, for what deletes mail by its age: the wall clock's, unless that leapt. A clock that
// is set to a wrong year must not end all mail that has an end, so a date that is more than 35 days
// off what has passed (by the monotonic clock, and before the start by what the last run knew)
// holds only when it has stood for a day. Until then time goes on from where it was.
//
// One a store. Any thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "core/base/clock.h"
#include "core/base/metrics.h"

namespace poplar::storage {

class SteadyDate {
 public:
  // `known_us`: what KnownUs said in the last run, 0 if nobody knows. `clock` outlives this.
  SteadyDate(const base::Clock& clock, int64_t known_us);

  // Days since 1970. Never later than the wall clock's, so nothing goes early.
  uint16_t Today();
  // The time that is trusted now, for the next run to know.
  int64_t KnownUs();
  // Whether the wall clock is not trusted, as of the last call of Today.
  bool held() const { return held_.load(std::memory_order_relaxed); }
  void Register(base::MetricRegistry& registry) const;

 private:
  struct Leap {
    int64_t ahead_us = 0;  // Of the time that is trusted.
    uint64_t since_us = 0;
  };

  int64_t TrustedUs(uint64_t now_us) const;
  void Trust(int64_t wall_us, uint64_t now_us);
  bool Stood(int64_t ahead_us, uint64_t now_us);

  const base::Clock& clock_;
  std::mutex mutex_;
  int64_t known_us_;   // The time that was trusted
  uint64_t known_at_;  // at this time of the monotonic clock.
  std::optional<Leap> leap_;
  std::atomic<bool> held_{false};
};

}  // namespace poplar::storage
