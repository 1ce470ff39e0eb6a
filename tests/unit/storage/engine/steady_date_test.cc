// The date that mail expires by, on a clock that leaps.

#include "storage/engine/steady_date.h"

#include "tests/unit/storage/engine/policy_fixture.h"

namespace poplar::storage {
namespace {

constexpr int64_t kHourUs = 3'600'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr int64_t kBeginDay = 20'000;

// Time passes, or the wall clock alone is set.
class SetClock final : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return now_us_; }
  int64_t WallUs() const override { return wall_us_; }
  void Pass(int64_t us) {
    now_us_ += static_cast<uint64_t>(us);
    wall_us_ += us;
  }
  void SetDay(int64_t day) { wall_us_ = day * kDayUs; }

 private:
  uint64_t now_us_ = 5'000'000;
  int64_t wall_us_ = kBeginDay * kDayUs;
};

class SteadyDateTest : public testing::Test {
 protected:
  // Asks as often as expiry does.
  void PassHours(int hours) {
    for (int i = 0; i < hours; ++i) {
      clock_.Pass(kHourUs);
      (void)date_.Today();
    }
  }

  SetClock clock_;
  SteadyDate date_{clock_, 0};
};

TEST_F(SteadyDateTest, IsTheClocks) {
  EXPECT_EQ(date_.Today(), kBeginDay);
  clock_.Pass(90 * kDayUs);  // Nobody asked meanwhile.
  EXPECT_EQ(date_.Today(), kBeginDay + 90);
  clock_.SetDay(kBeginDay + 125);
  EXPECT_EQ(date_.Today(), kBeginDay + 125);
  clock_.SetDay(kBeginDay + 100);
  EXPECT_EQ(date_.Today(), kBeginDay + 100);
  EXPECT_EQ(date_.KnownUs(), clock_.WallUs());
  EXPECT_FALSE(date_.held());
}

TEST_F(SteadyDateTest, ALeapHoldsWhenItHasStoodForADay) {
  clock_.SetDay(kBeginDay + 36);
  EXPECT_EQ(date_.Today(), kBeginDay);
  EXPECT_TRUE(date_.held());
  PassHours(23);
  EXPECT_EQ(date_.Today(), kBeginDay);
  EXPECT_EQ(date_.KnownUs(), kBeginDay * kDayUs + 23 * kHourUs);
  EXPECT_TRUE(date_.held());
  PassHours(1);
  EXPECT_EQ(date_.Today(), kBeginDay + 37);
  EXPECT_FALSE(date_.held());
  EXPECT_EQ(date_.KnownUs(), clock_.WallUs());
}

TEST_F(SteadyDateTest, ALeapThatIsMendedIsForgotten) {
  for (int round = 0; round < 3; ++round) {
    clock_.SetDay(kBeginDay + 20'000);
    PassHours(20);
    EXPECT_TRUE(date_.held());
    clock_.SetDay(kBeginDay + round);
    PassHours(1);
    EXPECT_FALSE(date_.held());
    EXPECT_EQ(date_.Today(), kBeginDay + round);
  }
}

TEST_F(SteadyDateTest, AClockThatLeapsOnBeginsAnew) {
  for (int leap = 1; leap <= 3; ++leap) {
    clock_.SetDay(kBeginDay + leap * int64_t{1000});
    PassHours(23);
    EXPECT_TRUE(date_.held());
  }
  PassHours(2);
  EXPECT_EQ(date_.Today(), kBeginDay + 3001);
}

// It goes early for nobody, and what it dates has no trust either.
TEST_F(SteadyDateTest, ALeapBackIsOne) {
  clock_.SetDay(1);
  EXPECT_EQ(date_.Today(), 1);
  EXPECT_TRUE(date_.held());
  EXPECT_EQ(date_.KnownUs(), kBeginDay * kDayUs);
  PassHours(5);
  clock_.SetDay(kBeginDay);  // Somebody set it right.
  EXPECT_EQ(date_.Today(), kBeginDay);
  EXPECT_FALSE(date_.held());
}

TEST_F(SteadyDateTest, GoesOnFromWhatTheLastRunKnew) {
  SteadyDate next(clock_, (kBeginDay - 100) * kDayUs);
  EXPECT_EQ(next.Today(), kBeginDay - 100);
  EXPECT_TRUE(next.held());
  SteadyDate soon(clock_, (kBeginDay - 30) * kDayUs);
  EXPECT_EQ(soon.Today(), kBeginDay);
  EXPECT_FALSE(soon.held());
}

class LeaptClockTest : public PolicyTest {
 protected:
  bool Leapt() const { return fixture_.Metric("poplar_store_clock_leapt") == 1; }
  // Publishing a policy asks for a pass.
  void LetPass(const TenantPolicy& policy) {
    const double passes = fixture_.Metric("poplar_store_expiry_passes_total");
    SetPolicy(policy);
    EXPECT_TRUE(Eventually(
        [&] { return fixture_.Metric("poplar_store_expiry_passes_total") >= passes + 2; }));
  }
};

TEST_F(LeaptClockTest, EndsNoMail) {
  constexpr int64_t kLeapDays = 25'000;
  const TenantPolicy policy{.name = "one", .keep_deleted_days = 10, .expire_days = 30};
  const MaildropKey alice = Key("alice");
  LetPass(policy);
  for (uint64_t i = 0; i < 3; ++i) fixture_.MustDeliver(0, alice, MakeMessage(i));
  ASSERT_EQ(Session(alice, {0}), CommitOutcome::kDone);
  Reopen();  // The index knows of it.
  clock_.AddDays(kLeapDays);
  EXPECT_TRUE(Eventually([&] { return Leapt(); }));
  for (int start = 0; start < 2; ++start) {  // The second one finds what the first has written.
    LetPass(policy);
    EXPECT_EQ(fixture_.Totals(0, alice)->messages, 2U);
    EXPECT_EQ(Kept(alice).size(), 1U);
    ASSERT_TRUE(fixture_.Close().ok());
    Open();
    EXPECT_TRUE(Leapt());
  }
  clock_.AddDays(-kLeapDays);
  EXPECT_TRUE(Eventually([&] { return !Leapt(); }));
  clock_.AddDays(32);
  EXPECT_TRUE(Eventually([&] { return fixture_.Totals(0, alice)->messages == 0; }));
}

// It asks for no date.
TEST_F(LeaptClockTest, WhatIsKeptNoLongerGoesAllTheSame) {
  const MaildropKey alice = Key("alice");
  SetPolicy({.name = "one", .keep_deleted_days = 10});
  fixture_.MustDeliver(0, alice, MakeMessage(1));
  ASSERT_EQ(Session(alice, {0}), CommitOutcome::kDone);
  clock_.AddDays(25'000);
  EXPECT_TRUE(Eventually([&] { return Leapt(); }));
  EXPECT_EQ(Kept(alice).size(), 1U);
  SetPolicy({.name = "one"});
  EXPECT_TRUE(Eventually([&] { return Kept(alice).empty(); }));
}

}  // namespace
}  // namespace poplar::storage
