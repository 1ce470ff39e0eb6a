#include "storage/engine/work_pace.h"

#include <gtest/gtest.h>

#include "storage/engine/cpu_meter.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kNowUs = 5'000'000;

TEST(WorkPace, WithoutLimitsNothingRests) {
  WorkPace pace;
  pace.Begin(kNowUs);
  EXPECT_EQ(pace.RestUs({}, {1 << 30, 1 << 30}, kNowUs), 0U);
}

TEST(WorkPace, EachLimitAsksForItsRest) {
  WorkPace pace;
  pace.Begin(kNowUs);
  EXPECT_EQ(pace.RestUs({1000, 0}, {500, 77}, kNowUs), 500'000U);
  pace.Begin(kNowUs);
  EXPECT_EQ(pace.RestUs({0, 250'000}, {500, 1000}, kNowUs), 4000U);
  pace.Begin(kNowUs);
  EXPECT_EQ(pace.RestUs({1000, 250'000}, {500, 1000}, kNowUs), 500'000U);
}

// What took long anyway has rested while it waited; what is owed stays owed.
TEST(WorkPace, OverManySlicesTheBudgetIsKept) {
  WorkPace pace;
  const WorkBudget quarter{0, 250'000};
  pace.Begin(kNowUs);
  uint64_t now_us = kNowUs;
  uint64_t rest_us = 0;
  for (int i = 0; i < 100; ++i) {
    now_us += 1000;
    rest_us = pace.RestUs(quarter, {0, 1000}, now_us);
    if (rest_us < 8000) continue;  // Too little for a timer: it is owed on.
    now_us += rest_us;
    rest_us = 0;
  }
  EXPECT_EQ(now_us + rest_us - kNowUs, 400'000U);
}

TEST(WorkPace, TimeWithoutWorkEarnsNothing) {
  WorkPace pace;
  pace.Begin(kNowUs);
  const WorkBudget tenth{0, 100'000};
  EXPECT_EQ(pace.RestUs(tenth, {0, 1000}, kNowUs + 60'000'000), 0U);
  EXPECT_EQ(pace.RestUs(tenth, {0, 1000}, kNowUs + 60'000'000), 10'000U);
  pace.Begin(kNowUs + 70'000'000);
  EXPECT_EQ(pace.RestUs(tenth, {0, 1000}, kNowUs + 70'000'000), 10'000U);
}

TEST(CpuShare, OfPartitionsOnOneShard) {
  EXPECT_EQ(CpuShare(0, 4), 0U);  // No limit.
  EXPECT_EQ(CpuShare(25, 1), 250'000U);
  EXPECT_EQ(CpuShare(25, 4), 62'500U);
  EXPECT_EQ(CpuShare(100, 1), 1'000'000U);
  EXPECT_GT(CpuShare(1, 1'000'000), 0U);  // Little, and not without limit.
}

// Each reading is later than the one before.
class CountingClock final : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return 0; }
  int64_t WallUs() const override { return 0; }
  uint64_t ThreadCpuUs() const override { return cpu_us_ += 10; }

 private:
  mutable uint64_t cpu_us_ = 0;
};

TEST(CpuMeter, CountsEachMomentOnce) {
  const CountingClock clock;
  CpuMeter meter(clock);
  {
    const CpuMeter::Slice outer(meter);
    const CpuMeter::Slice inner(meter);
    EXPECT_EQ(meter.Take(), 0U);
  }
  EXPECT_EQ(meter.Take(), 10U);
  meter.Add(7);
  {
    const CpuMeter::Slice slice(meter);
  }
  EXPECT_EQ(meter.Take(), 17U);
  EXPECT_EQ(meter.Take(), 0U);
}

TEST(Clock, AThreadsCpuTimeGrowsWithItsWork) {
  const uint64_t began_us = base::SystemClock().ThreadCpuUs();
  volatile uint64_t sum = 0;
  while (base::SystemClock().ThreadCpuUs() == began_us) sum = sum + 1;
  EXPECT_GT(base::SystemClock().ThreadCpuUs(), began_us);
}

}  // namespace
}  // namespace poplar::storage
