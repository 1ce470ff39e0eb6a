// Penalties, by a clock of the test's own.

#include "auth/service/throttle.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace poplar::auth {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;
constexpr uint64_t kDayUs = 86'400 * kSecondUs;
constexpr uint64_t kAlice = 1;
constexpr uint64_t kBob = 2;
constexpr uint64_t kTenant = 7;

TEST(ClientPlaceTest, Ipv4AloneIpv6By64And48) {
  const auto address = [](const char* text) { return PlaceOf(text).address; };
  const auto network = [](const char* text) { return PlaceOf(text).network; };
  EXPECT_NE(address("192.0.2.1"), address("192.0.2.2"));
  EXPECT_EQ(address("2001:db8::1"), address("2001:db8::ffff:2"));
  EXPECT_NE(address("2001:db8::1"), address("2001:db8:0:1::1"));
  EXPECT_EQ(address("::ffff:192.0.2.1"), address("192.0.2.1"));
  EXPECT_EQ(address(""), address("unix"));
  EXPECT_EQ(network("2001:db8:0:1::1"), network("2001:db8:0:ffff::1"));
  EXPECT_NE(network("2001:db8:0:1::1"), network("2001:db8:1:1::1"));
  EXPECT_EQ(network("192.0.2.1"), 0U);
  EXPECT_EQ(network("::ffff:192.0.2.1"), 0U);
  EXPECT_EQ(network(""), 0U);
}

// Each failure of these tests is of a password of its own, unless it says which.
class ThrottleTest : public testing::Test {
 protected:
  static LoginSource From(const std::string& address, uint64_t user = kAlice,
                          uint64_t tenant = kTenant) {
    return {.place = PlaceOf(address), .user = user, .tenant = tenant};
  }
  Throttle::Counted Fail(const LoginSource& source, uint64_t now_us = 0) {
    return throttle_->AddFailure(source, ++guess_, now_us);
  }
  void Succeed(const LoginSource& source, uint64_t now_us = 0) {
    throttle_->AddSuccess(source.user, source.place, now_us);
  }
  uint32_t DelayMs(const LoginSource& source, uint64_t now_us = 0) const {
    return throttle_->Judge(source, now_us).delay_ms;
  }
  void Make(const ThrottleOptions& options) { throttle_ = std::make_unique<Throttle>(options); }

  std::unique_ptr<Throttle> throttle_ = std::make_unique<Throttle>(ThrottleOptions());
  uint64_t guess_ = 0;
};

TEST_F(ThrottleTest, AnAddressWaitsWhateverNamesItTries) {
  for (uint64_t user = 10; user < 15; ++user) Fail(From("192.0.2.1", user, user));
  EXPECT_EQ(DelayMs(From("192.0.2.1", kAlice)), 0U);
  const Throttle::Counted counted = Fail(From("192.0.2.1", 20, 20));
  EXPECT_TRUE(counted.begun[static_cast<size_t>(PenaltyOf::kAddress)]);
  EXPECT_EQ(DelayMs(From("192.0.2.1", kAlice)), 250U);
  EXPECT_EQ(throttle_->Judge(From("192.0.2.1"), 0).because, PenaltyOf::kAddress);
  EXPECT_EQ(DelayMs(From("192.0.2.2", kAlice)), 0U) << "elsewhere nobody waits";
}

TEST_F(ThrottleTest, LoopbackIsNobodySpecial) {
  Make({.free_address = 0});
  for (const char* address : {"127.0.0.1", "::1"}) {
    Fail(From(address));
    EXPECT_GT(DelayMs(From(address)), 0U) << address;
  }
}

TEST_F(ThrottleTest, AUserIsSlowedDownFromAThousandAddresses) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(DelayMs(From("198.51.100." + std::to_string(i))), 0U);
    Fail(From("198.51.100." + std::to_string(i)));
  }
  for (int i = 0; i < 100; ++i) Fail(From("203.0.113." + std::to_string(i)));
  const Penalty penalty = throttle_->Judge(From("192.0.2.1"), 0);
  EXPECT_EQ(penalty.delay_ms, 4000U * kUserDelayFactor);
  EXPECT_EQ(penalty.because, PenaltyOf::kUser);
  EXPECT_EQ(DelayMs(From("192.0.2.1", kBob)), 0U);
  EXPECT_EQ(DelayMs(From("192.0.2.1"), 20 * 60 * kSecondUs), 0U) << "and it is forgotten";
}

TEST_F(ThrottleTest, ATenantHasFarMoreFree) {
  for (int i = 0; i < 1000; ++i) {
    Fail(From("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250), 100U + i));
  }
  EXPECT_EQ(DelayMs(From("192.0.2.1", kBob)), 0U);
  Fail(From("10.1.0.1", 5000));
  const Penalty penalty = throttle_->Judge(From("192.0.2.1", kBob), 0);
  EXPECT_EQ(penalty.delay_ms, 250U);
  EXPECT_EQ(penalty.because, PenaltyOf::kTenant);
  EXPECT_EQ(DelayMs(From("192.0.2.1", kBob, kTenant + 1)), 0U);
}

TEST_F(ThrottleTest, ManySmallPrefixesMakeANetworkGuilty) {
  for (int i = 0; i < 50; ++i) {
    const std::string address = "2001:db8:1:" + std::to_string(i) + "::1";
    EXPECT_EQ(DelayMs(From(address, 100U + i, 100U + i)), 0U);
    Fail(From(address, 100U + i, 100U + i));
  }
  Fail(From("2001:db8:1:ffff::1", 200, 200));
  EXPECT_EQ(throttle_->Judge(From("2001:db8:1:aaaa::1"), 0).because, PenaltyOf::kNetwork);
  EXPECT_EQ(DelayMs(From("2001:db8:1:aaaa::1")), 250U);
  EXPECT_EQ(DelayMs(From("2001:db8:2:aaaa::1")), 0U);
}

TEST_F(ThrottleTest, TheOwnerAtHomeWaitsForNobody) {
  Succeed(From("192.0.2.1"));
  // Strangers try his password, colleagues at the same address theirs, everybody the tenant's.
  for (int i = 0; i < 2000; ++i) {
    Fail(From("203.0.113." + std::to_string(i % 250)));
    Fail(From("192.0.2.1", 1000U + i));
  }
  EXPECT_EQ(DelayMs(From("192.0.2.1")), 0U);
  EXPECT_TRUE(throttle_->Judge(From("192.0.2.1"), 0).known);
  EXPECT_EQ(DelayMs(From("192.0.2.2")), 16'000U) << "he is not known there";
  EXPECT_EQ(DelayMs(From("192.0.2.1", kBob)), 4000U) << "nor is another one known here";
  EXPECT_EQ(DelayMs(From("2001:db8::1")), 16'000U);
}

TEST_F(ThrottleTest, AtHomeHisOwnFailuresCount) {
  Succeed(From("192.0.2.1"));
  for (int i = 0; i < 5; ++i) Fail(From("192.0.2.1"));
  EXPECT_EQ(DelayMs(From("192.0.2.1")), 0U);
  for (int i = 0; i < 100; ++i) Fail(From("192.0.2.1"));
  EXPECT_EQ(DelayMs(From("192.0.2.1")), 4000U) << "who sits beside him may guess, too";
  EXPECT_EQ(DelayMs(From("192.0.2.1"), 20 * 60 * kSecondUs), 0U);
}

TEST_F(ThrottleTest, WhoDoesNotComeAgainIsNotKnownForEver) {
  Succeed(From("192.0.2.1"));
  for (int i = 0; i < 100; ++i) Fail(From("203.0.113.1"), 29 * kDayUs);
  EXPECT_EQ(DelayMs(From("192.0.2.1"), 29 * kDayUs), 0U);
  for (int i = 0; i < 100; ++i) Fail(From("203.0.113.1"), 30 * kDayUs);
  EXPECT_GT(DelayMs(From("192.0.2.1"), 30 * kDayUs), 0U);
}

TEST_F(ThrottleTest, AsManyAreKnownAsItIsToldAndTheRestIsCounted) {
  Make({.known_max = 64 * 1024});
  const auto known = [&](uint64_t users) {
    uint64_t count = 0;
    for (uint64_t user = 0; user < users; ++user) {
      count += throttle_->Judge(From("192.0.2.1", user), 0).known ? 1U : 0U;
    }
    return count;
  };
  for (uint64_t user = 0; user < 30'000; ++user) Succeed(From("192.0.2.1", user));
  EXPECT_GT(known(30'000), 29'000U);
  for (uint64_t user = 30'000; user < 200'000; ++user) Succeed(From("192.0.2.1", user));
  EXPECT_NEAR(static_cast<double>(throttle_->known_forgotten() + known(200'000)), 200'000, 10);
  EXPECT_LE(known(200'000), 64U * 1024 + 10);
}

TEST_F(ThrottleTest, FailuresMakeNobodyKnownAndForgetNobody) {
  for (uint64_t user = 0; user < 1000; ++user) Succeed(From("192.0.2.1", user));
  for (int i = 0; i < 1'000'000; ++i) {
    Fail(From("198.51." + std::to_string(i % 250) + "." + std::to_string(i / 250 % 250),
              static_cast<uint64_t>(i % 1000), 1));
  }
  for (uint64_t user = 0; user < 1000; ++user) {
    EXPECT_TRUE(throttle_->Judge(From("192.0.2.1", user), 0).known) << user;
    EXPECT_FALSE(throttle_->Judge(From("198.51.1.1", user), 0).known) << user;
  }
}

TEST_F(ThrottleTest, WhoHasOneAccountMakesFewOthersUnknown) {
  for (uint64_t user = 0; user < 10'000; ++user) Succeed(From("192.0.2.1", user));
  std::mt19937_64 random(4711);
  LoginSource source;
  source.user = 1'000'000;
  for (int i = 0; i < 1'000'000; ++i) {
    source.place.address = random();
    Succeed(source, kSecondUs);
  }
  int known = 0;
  for (uint64_t user = 0; user < 10'000; ++user) {
    known += throttle_->Judge(From("192.0.2.1", user), kSecondUs).known ? 1 : 0;
  }
  EXPECT_GE(known, 9'980);
}

TEST_F(ThrottleTest, TheSameWrongPasswordCountsOnce) {
  // A phone, every ten seconds for three hours.
  const LoginSource phone = From("192.0.2.1");
  for (uint64_t i = 0; i < 1080; ++i) {
    const Throttle::Counted counted = throttle_->AddFailure(phone, 99, i * 10 * kSecondUs);
    EXPECT_EQ(counted.repeated, i > 0);
    ASSERT_EQ(DelayMs(phone, i * 10 * kSecondUs), 0U) << i;
    ASSERT_EQ(DelayMs(From("192.0.2.1", kBob), i * 10 * kSecondUs), 0U) << i;
  }
  // Elsewhere it is another guess: what somebody's old password was is not to be seen there.
  EXPECT_FALSE(throttle_->AddFailure(From("192.0.2.2"), 99, 0).repeated);
  EXPECT_FALSE(throttle_->AddFailure(phone, 100, 0).repeated);
  EXPECT_FALSE(throttle_->AddFailure(phone, std::nullopt, 0).repeated) << "a proof tells nothing";
}

TEST_F(ThrottleTest, RepeatedAtOnceItIsALoad) {
  const LoginSource source = From("192.0.2.1");
  for (int i = 0; i < 61; ++i) throttle_->AddFailure(source, 99, 0);
  EXPECT_EQ(DelayMs(source), 0U);
  EXPECT_TRUE(throttle_->AddFailure(source, 99, 0).begun[static_cast<size_t>(PenaltyOf::kRepeats)]);
  EXPECT_EQ(throttle_->Judge(source, 0).because, PenaltyOf::kRepeats);
  EXPECT_EQ(DelayMs(source), 250U);
  EXPECT_EQ(DelayMs(source, kSecondUs), 0U);
}

TEST_F(ThrottleTest, WhoFillsTheQueueWaitsAndNobodyElse) {
  Succeed(From("192.0.2.1"));
  for (int i = 0; i < 100; ++i) {
    throttle_->AddNotAsked(From("192.0.2.1"), 0);
    throttle_->AddNotAsked(From("203.0.113.1"), 0);
  }
  EXPECT_EQ(DelayMs(From("192.0.2.1")), 0U) << "he is known there";
  EXPECT_EQ(DelayMs(From("192.0.2.1", kBob)), 0U);
  EXPECT_EQ(throttle_->Judge(From("203.0.113.1", kBob), 0).because, PenaltyOf::kAddress);
  EXPECT_EQ(DelayMs(From("203.0.113.1", kBob)), 4000U);
  EXPECT_EQ(DelayMs(From("203.0.113.2")), 0U) << "neither the name nor its tenant did it";
}

TEST_F(ThrottleTest, AttemptsUnderWayCountAsIfTheyHadFailed) {
  std::vector<UnderWay> under_way;
  for (int i = 0; i < 6; ++i) {
    under_way.push_back(throttle_->Admit(From("192.0.2.1"), 0).under_way);
    EXPECT_TRUE(under_way.back()) << i;
  }
  for (int i = 0; i < 2; ++i) {
    const Admission waits = throttle_->Admit(From("192.0.2.1"), 0);
    EXPECT_FALSE(waits.under_way);
    EXPECT_EQ(waits.penalty.delay_ms, 250U) << "who waits is not under way";
    EXPECT_EQ(waits.penalty.because, PenaltyOf::kAddress);
  }
  EXPECT_TRUE(throttle_->Admit(From("192.0.2.2"), 0).under_way);
  EXPECT_TRUE(throttle_->Admit(From("192.0.2.1", kBob), 0).under_way)
      << "an office behind one address";
  Fail(From("192.0.2.1"));
  under_way.pop_back();
  EXPECT_FALSE(throttle_->Admit(From("192.0.2.1"), 0).under_way)
      << "one failed, five are under way";
  under_way.pop_back();
  EXPECT_TRUE(throttle_->Admit(From("192.0.2.1"), 0).under_way) << "one ended otherwise";
}

TEST_F(ThrottleTest, WhereOneIsKnownAttemptsUnderWayCountToo) {
  Succeed(From("192.0.2.1"));
  std::vector<Admission> admissions;
  for (int i = 0; i < 7; ++i) admissions.push_back(throttle_->Admit(From("192.0.2.1"), 0));
  EXPECT_TRUE(admissions[5].under_way);
  EXPECT_EQ(admissions[6].penalty.delay_ms, 250U);
}

TEST_F(ThrottleTest, OfThoseThatWaitOneGoesAtATime) {
  for (int i = 0; i < 6; ++i) Fail(From("192.0.2.1"));
  std::vector<Admission> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(throttle_->Admit(From("192.0.2.1"), 0));
  for (size_t next = 0; next < waiting.size(); ++next) {
    for (size_t i = next; i < waiting.size(); ++i) {
      EXPECT_FALSE(waiting[i].under_way);
      EXPECT_EQ(waiting[i].penalty.delay_ms, 250U << next) << "and each waits longer";
      waiting[i] = throttle_->AdmitAgain(From("192.0.2.1"), waiting[i].turn, 0);
    }
    EXPECT_TRUE(waiting[next].under_way);
  }
  Admission late = throttle_->Admit(From("192.0.2.1"), 0);
  EXPECT_FALSE(late.under_way);
  late = throttle_->AdmitAgain(From("192.0.2.1"), late.turn, 0);
  EXPECT_TRUE(late.under_way) << "what others hold shuts nobody out";
}

TEST_F(ThrottleTest, OneThatWasRightLetsTheOthersInAtOnce) {
  for (int i = 0; i < 10; ++i) Fail(From("192.0.2.1", kBob));
  const Admission first = throttle_->Admit(From("192.0.2.1"), 0);
  const Admission second = throttle_->Admit(From("192.0.2.1"), 0);
  EXPECT_TRUE(throttle_->AdmitAgain(From("192.0.2.1"), first.turn, 0).under_way);
  EXPECT_FALSE(throttle_->AdmitAgain(From("192.0.2.1"), second.turn, 0).under_way);
  Succeed(From("192.0.2.1"));
  EXPECT_TRUE(throttle_->AdmitAgain(From("192.0.2.1"), second.turn, 0).under_way);
}

TEST_F(ThrottleTest, OnManyThreadsNoMoreGoThanOnOne) {
  std::atomic<int> gone{0};
  std::vector<std::vector<UnderWay>> under_way(4);
  std::vector<std::thread> threads;
  for (std::vector<UnderWay>& mine : under_way) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        mine.push_back(throttle_->Admit(From("192.0.2.1"), 0).under_way);
        if (mine.back()) ++gone;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(gone, 6);
  under_way.clear();
  EXPECT_TRUE(throttle_->Admit(From("192.0.2.1"), 0).under_way);
}

TEST_F(ThrottleTest, WhatHoldsIsTold) {
  EXPECT_TRUE(throttle_->Held(kAlice, kTenant, 0).empty());
  for (int i = 0; i < 7; ++i) Fail(From("192.0.2.1"));
  std::vector<HeldPenalty> held = throttle_->Held(kAlice, kTenant, 0);
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held[0].because, PenaltyOf::kAddress);
  EXPECT_EQ(held[0].place, "192.0.2.1");
  EXPECT_EQ(held[0].delay_ms, DelayMs(From("192.0.2.1")));
  const uint64_t ends_us = held[0].lasts_ms * 1000;
  EXPECT_GT(DelayMs(From("192.0.2.1"), ends_us - kSecondUs), 0U);
  EXPECT_EQ(DelayMs(From("192.0.2.1"), ends_us), 0U);
  EXPECT_TRUE(throttle_->Held(kAlice, kTenant, ends_us).empty());
  EXPECT_TRUE(throttle_->Held(kBob, kTenant, 0).empty()) << "nobody knows where he is";
  for (int i = 0; i < 30; ++i) Fail(From("2001:db8:0:" + std::to_string(i) + "::7", kBob));
  held = throttle_->Held(kBob, kTenant, 0);
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held[0].because, PenaltyOf::kUser);
  EXPECT_EQ(held[0].place, "");
}

TEST(ClientPlaceTest, IsToldAsItWasRead) {
  EXPECT_EQ(TextOf(PlaceOf("192.0.2.7")), "192.0.2.7");
  EXPECT_EQ(TextOf(PlaceOf("2001:db8:1:2:3::4")), "2001:db8:1:2::/64");
  EXPECT_EQ(TextOf(PlaceOf("unix")), "");
}

TEST_F(ThrottleTest, NothingWaitsWhereThereIsNoDelay) {
  Make({.free_address = 0, .free_user = 0, .delay_max_ms = 0});
  for (int i = 0; i < 100; ++i) Fail(From("192.0.2.1"));
  EXPECT_EQ(DelayMs(From("192.0.2.1")), 0U);
}

}  // namespace
}  // namespace poplar::auth
