#include "bench/load/open_loop.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bench/load/loop.h"
#include "bench/load/run.h"
#include "bench/load/worker.h"
#include "tests/unit/bench/scripted_maildrop.h"

namespace poplar::load {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

TEST(ArrivalsTest, AreAsManyASecondAsAskedFor) {
  Arrivals arrivals(1000, 7, 5 * kSecondNs);
  uint64_t count = 0;
  for (uint64_t due = arrivals.Next(); due < 105 * kSecondNs; due = arrivals.Next()) {
    EXPECT_GE(due, 5 * kSecondNs);
    ++count;
  }
  EXPECT_NEAR(static_cast<double>(count), 100'000, 1500);  // 5 standard deviations
}

TEST(ArrivalsTest, HaveExponentialGaps) {
  Arrivals arrivals(1000, 1, 0);
  uint64_t last = 0;
  int longer_than_mean = 0;
  for (int i = 0; i < 10'000; ++i) {
    uint64_t due = arrivals.Next();
    ASSERT_GE(due, last);
    longer_than_mean += due - last > kSecondNs / 1000 ? 1 : 0;
    last = due;
  }
  EXPECT_NEAR(longer_than_mean, 10'000 * std::exp(-1), 250);
}

TEST(ArrivalsTest, AreTheSameForTheSameSeedOnly) {
  Arrivals first(50, 3, 0);
  Arrivals same(50, 3, 0);
  Arrivals other(50, 4, 0);
  int equal = 0;
  for (int i = 0; i < 100; ++i) {
    uint64_t due = first.Next();
    EXPECT_EQ(due, same.Next());
    equal += due == other.Next() ? 1 : 0;
  }
  EXPECT_LT(equal, 5);
}

TEST(PunctualityTest, CountsWhatIsBegunLate) {
  Punctuality all;
  all.Begin(1000, 900);  // a clock that was read before
  all.Begin(1000, 1000 + Punctuality::kLateNs);
  EXPECT_EQ(all.late, 0U);
  Punctuality more;
  more.Begin(1000, 1001 + Punctuality::kLateNs);
  more.not_begun = 4;
  all.Merge(more);
  EXPECT_EQ(all.begun, 3U);
  EXPECT_EQ(all.late, 1U);
  EXPECT_EQ(all.not_begun, 4U);
  EXPECT_EQ(all.delay_ns.count(), 3U);
}

TEST(PunctualityTest, KnowsHowLateIsAtLeastWhatIsNeverBegun) {
  Punctuality all;
  Punctuality more;
  more.NeverBegin(1000, 1060);
  all.Merge(more);
  EXPECT_EQ(all.not_begun, 1U);
  EXPECT_EQ(all.unfinished, 1U);
  EXPECT_EQ(all.not_begun_ns.max(), 60U);
}

TEST(OperationTest, StartsWhenItWasDue) {
  EXPECT_EQ((Operation{.due_ns = 42}).StartNs(), 42U);
  uint64_t before = MonotonicNs();
  EXPECT_GE(Operation{}.StartNs(), before);
}

RunResult RunSessions(double rate, uint64_t greeting_delay_ms, uint64_t prompt_greetings = 0) {
  ScriptedServer server(GoodScript(), greeting_delay_ms, prompt_greetings);
  Options options;
  options.profile = "session";
  StatusOr<Endpoint> endpoint = ParseEndpoint(server.endpoint());
  EXPECT_TRUE(endpoint.ok());
  options.pop3 = *endpoint;
  options.user_pattern = "u";
  options.warmup_seconds = 0;
  options.seconds = 1;
  options.rate = rate;
  StatusOr<RunResult> result = RunLoad(options);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result->meter.errors(), 0U);
  EXPECT_TRUE(result->punctuality.has_value());
  return *std::move(result);
}

TEST(OpenLoopTest, KeepsToTheRateThatTheServerBears) {
  RunResult result = RunSessions(20, 0);
  const Punctuality& punctuality = *result.punctuality;
  EXPECT_NEAR(static_cast<double>(punctuality.begun + punctuality.not_begun), 20, 15);
  EXPECT_LE(result.meter.operations(), punctuality.begun);
  EXPECT_GE(result.meter.operations() + 2, punctuality.begun);
}

// It makes one session in 20 ms at most, and 200 a second are due: whoever came last in that second
// has waited for most of it.
TEST(OpenLoopTest, ShowsAServerThatDoesNotKeepUp) {
  RunResult result = RunSessions(200, 20);
  const Punctuality& punctuality = *result.punctuality;
  EXPECT_LT(punctuality.begun, 70U);
  EXPECT_GT(punctuality.not_begun, 60U);
  EXPECT_GT(punctuality.late, punctuality.begun / 2);
  EXPECT_GT(result.meter.series().at("session").latency_ns.Quantile(0.9), 300'000'000U);
}

// A tenth of a second's sessions are quick, and then nothing is answered until long after the
// window's end: those that were due meanwhile are no operations of it, but what they wait counts.
TEST(OpenLoopTest, ShowsAServerThatStopsBeforeTheWindowEnds) {
  RunResult result = RunSessions(200, 1500, 20);
  const Punctuality& punctuality = *result.punctuality;
  const Series& sessions = result.meter.series().at("session");
  EXPECT_EQ(sessions.operations, 20U);
  EXPECT_GT(punctuality.unfinished, 60U);
  EXPECT_GT(punctuality.unfinished, punctuality.not_begun);  // one was in flight
  EXPECT_EQ(sessions.latency_ns.count(), sessions.operations + punctuality.unfinished);
  EXPECT_GT(sessions.latency_ns.max(), 1'000'000'000U);  // of the one in flight
  EXPECT_GT(sessions.latency_ns.Quantile(0.5), 200'000'000U);
}

}  // namespace
}  // namespace poplar::load
