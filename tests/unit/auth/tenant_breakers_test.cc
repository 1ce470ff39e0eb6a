#include "auth/remote/tenant_breakers.h"

#include <gtest/gtest.h>

namespace poplar::auth {
namespace {

using State = Breaker::State;

class TenantBreakersTest : public testing::Test {
 protected:
  // With random = 0 a pause is three quarters of its length.
  static constexpr uint64_t kFirstPauseUs = 750;
  static constexpr TenantId kAcme{1}, kOther{2}, kThird{3};

  void Fail(TenantId tenant, int times, uint64_t now_us = 0) {
    for (int i = 0; i < times; ++i) {
      if (breakers_.Allow(tenant, now_us)) breakers_.Unreached(tenant, now_us, 0);
    }
  }

  TenantBreakers breakers_{{.failures_max = 3, .pause_us = 1000, .pause_us_max = 4000}};
};

TEST_F(TenantBreakersTest, OneTenantsFailuresAreItsOwn) {
  Fail(kAcme, 100);
  EXPECT_FALSE(breakers_.Allow(kAcme, 0));
  EXPECT_EQ(breakers_.tenants_left_alone(), 1U);
  EXPECT_EQ(breakers_.state(0), State::kClosed);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(breakers_.Allow(kOther, 0));
  breakers_.Answered(kOther);
  EXPECT_FALSE(breakers_.Allow(kAcme, 0)) << "another's answer says nothing of it";
  EXPECT_TRUE(breakers_.Allow(kAcme, kFirstPauseUs));
  EXPECT_FALSE(breakers_.Allow(kAcme, kFirstPauseUs)) << "one try at a time";
  breakers_.Answered(kAcme);
  EXPECT_TRUE(breakers_.Allow(kAcme, kFirstPauseUs));
  EXPECT_EQ(breakers_.tenants_left_alone(), 0U);
}

TEST_F(TenantBreakersTest, FailuresOfTwoAreTheBackEnds) {
  Fail(kAcme, 2);
  Fail(kOther, 1);
  EXPECT_EQ(breakers_.state(0), State::kOpen);
  EXPECT_FALSE(breakers_.Allow(kThird, 0));
  // One tries it, for all.
  EXPECT_TRUE(breakers_.Allow(kThird, kFirstPauseUs));
  EXPECT_FALSE(breakers_.Allow(kAcme, kFirstPauseUs));
  breakers_.Answered(kThird);
  EXPECT_EQ(breakers_.state(kFirstPauseUs), State::kClosed);
  EXPECT_TRUE(breakers_.Allow(kAcme, kFirstPauseUs));
}

TEST_F(TenantBreakersTest, AnAnswerBetweenThemBeginsAnew) {
  for (int i = 0; i < 10; ++i) {
    Fail(kAcme, 1);
    Fail(kOther, 1);
    ASSERT_TRUE(breakers_.Allow(kThird, 0));
    breakers_.Answered(kThird);
  }
  EXPECT_EQ(breakers_.state(0), State::kClosed);
}

TEST_F(TenantBreakersTest, WhoseTryFailedLeavesTheNextToOthers) {
  Fail(kAcme, 1);
  Fail(kOther, 2);
  ASSERT_EQ(breakers_.state(0), State::kOpen);
  uint64_t now_us = kFirstPauseUs;
  Fail(kAcme, 1, now_us);
  now_us += 1500;
  EXPECT_EQ(breakers_.state(now_us), State::kHalfOpen);
  EXPECT_FALSE(breakers_.Allow(kAcme, now_us));
  // Where nobody else comes, it is asked after a pause more.
  EXPECT_TRUE(breakers_.Allow(kAcme, now_us + 2000));
  breakers_.NotAsked(kAcme);
  EXPECT_TRUE(breakers_.Allow(kThird, now_us));
}

TEST_F(TenantBreakersTest, ATryThatIsNotAskedIsAnothers) {
  Fail(kAcme, 3);
  EXPECT_TRUE(breakers_.Allow(kAcme, kFirstPauseUs));
  breakers_.NotAsked(kAcme);
  EXPECT_TRUE(breakers_.Allow(kAcme, kFirstPauseUs));
}

TEST_F(TenantBreakersTest, TheTableHasABound) {
  for (uint64_t i = 0; i < TenantBreakers::kTenantsMax; ++i) {
    for (int times = 0; times < 3; ++times) breakers_.Unreached(TenantId(i), 0, 0);
  }
  EXPECT_EQ(breakers_.tenants_left_alone(), TenantBreakers::kTenantsMax);
  const TenantId further(1'000'000);
  for (int times = 0; times < 3; ++times) breakers_.Unreached(further, 0, 0);
  EXPECT_EQ(breakers_.tenants_left_alone(), TenantBreakers::kTenantsMax);
  EXPECT_EQ(breakers_.state(0), State::kOpen);
  // Those whose pause is over make room.
  for (int times = 0; times < 3; ++times) breakers_.Unreached(further, kFirstPauseUs, 0);
  EXPECT_EQ(breakers_.tenants_left_alone(), 1U);
}

}  // namespace
}  // namespace poplar::auth
