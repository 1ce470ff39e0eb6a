#include "auth/remote/breaker.h"

#include <gtest/gtest.h>

namespace poplar::auth {
namespace {

using State = Breaker::State;

class BreakerTest : public testing::Test {
 protected:
  void FailTimes(int times, uint64_t now_us) {
    for (int i = 0; i < times; ++i) {
      breaker_.Allow(now_us);
      breaker_.Failed(now_us, 0);
    }
  }
  // With random = 0 a pause is three quarters of its length.
  static constexpr uint64_t kFirstPauseUs = 750;
  Breaker breaker_{{.failures_max = 3, .pause_us = 1000, .pause_us_max = 4000}};
};

TEST_F(BreakerTest, OpensAfterFailuresInARow) {
  FailTimes(2, 10);
  breaker_.Succeeded();
  FailTimes(2, 10);
  EXPECT_TRUE(breaker_.Allow(10));
  breaker_.Failed(10, 0);
  EXPECT_EQ(breaker_.state(10), State::kOpen);
  EXPECT_FALSE(breaker_.Allow(10));
  EXPECT_FALSE(breaker_.Allow(10 + kFirstPauseUs - 1));
}

TEST_F(BreakerTest, OneTryAtATimeAndASuccessCloses) {
  FailTimes(3, 0);
  EXPECT_EQ(breaker_.state(kFirstPauseUs), State::kHalfOpen);
  EXPECT_TRUE(breaker_.Allow(kFirstPauseUs));
  EXPECT_FALSE(breaker_.Allow(kFirstPauseUs));
  breaker_.Succeeded();
  EXPECT_EQ(breaker_.state(kFirstPauseUs), State::kClosed);
  EXPECT_TRUE(breaker_.Allow(kFirstPauseUs));
  EXPECT_TRUE(breaker_.Allow(kFirstPauseUs));
}

TEST_F(BreakerTest, AFailedTryDoublesThePauseUpToItsMost) {
  FailTimes(3, 0);
  uint64_t now_us = kFirstPauseUs;
  for (const uint64_t pause_us : {1500U, 3000U, 3000U}) {
    ASSERT_TRUE(breaker_.Allow(now_us));
    breaker_.Failed(now_us, 0);
    EXPECT_EQ(breaker_.state(now_us + pause_us - 1), State::kOpen);
    EXPECT_EQ(breaker_.state(now_us + pause_us), State::kHalfOpen);
    now_us += pause_us;
  }
}

// Questions that were asked before it opened and fail later say nothing new.
TEST_F(BreakerTest, LateFailuresDoNotLengthenThePause) {
  FailTimes(3, 0);
  for (int i = 0; i < 10; ++i) breaker_.Failed(500, 0);
  EXPECT_EQ(breaker_.state(kFirstPauseUs), State::kHalfOpen);
}

TEST_F(BreakerTest, ThePauseDiffersByChance) {
  FailTimes(2, 0);
  breaker_.Failed(0, 499);
  EXPECT_EQ(breaker_.state(750 + 498), State::kOpen);
  EXPECT_EQ(breaker_.state(750 + 499), State::kHalfOpen);
}

}  // namespace
}  // namespace poplar::auth
