#include "storage/engine/steady_date.h"

#include <algorithm>
#include <cstdlib>

#include "core/base/log.h"
#include "storage/format/chunk.h"

namespace poplar::storage {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kLeapUsMin = 35 * kDayUs;

}  // namespace

SteadyDate::SteadyDate(const base::Clock& clock, int64_t known_us)
    : clock_(clock),
      known_us_(known_us != 0 ? known_us : clock.WallUs()),
      known_at_(clock.MonotonicUs()) {}

void SteadyDate::Register(base::MetricRegistry& registry) const {
  registry.AddComputed(
      base::MetricRegistry::Kind::kGauge, [this] { return held() ? 1.0 : 0.0; },
      "poplar_store_clock_leapt",
      "1 while the clock is not trusted, as it leapt: no mail goes by it.");
}

uint16_t SteadyDate::Today() {
  const std::lock_guard lock(mutex_);
  const uint64_t now_us = clock_.MonotonicUs();
  const int64_t wall_us = clock_.WallUs();
  const int64_t ahead_us = wall_us - TrustedUs(now_us);
  if (std::abs(ahead_us) <= kLeapUsMin || Stood(ahead_us, now_us)) Trust(wall_us, now_us);
  return DayOf(std::min(wall_us, TrustedUs(now_us)));
}

int64_t SteadyDate::KnownUs() {
  const std::lock_guard lock(mutex_);
  return TrustedUs(clock_.MonotonicUs());
}

int64_t SteadyDate::TrustedUs(uint64_t now_us) const {
  return known_us_ + static_cast<int64_t>(now_us - known_at_);
}

void SteadyDate::Trust(int64_t wall_us, uint64_t now_us) {
  known_us_ = wall_us;
  known_at_ = now_us;
  if (!leap_.has_value()) return;
  leap_.reset();
  held_.store(false, std::memory_order_relaxed);
  base::Log(base::LogLevel::kInfo, "store_clock_trusted");
}

// A clock that is set again while it is not trusted begins anew.
bool SteadyDate::Stood(int64_t ahead_us, uint64_t now_us) {
  if (leap_.has_value() && std::abs(ahead_us - leap_->ahead_us) <= kDayUs) {
    return now_us - leap_->since_us >= static_cast<uint64_t>(kDayUs);
  }
  if (!leap_.has_value()) {
    base::Log(base::LogLevel::kWarning, "store_clock_leapt", {{"days", ahead_us / kDayUs}});
    held_.store(true, std::memory_order_relaxed);
  }
  leap_ = Leap{ahead_us, now_us};
  return false;
}

}  // namespace poplar::storage
