#include "core/base/tenant_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace poplar {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;

TEST(RateGateTest, LetsABurstThroughAndThenTheRate) {
  RateGate gate;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(gate.Take(0, 1, 60, 10 * kSecondUs), 0U) << i;
  EXPECT_GT(gate.Take(0, 1, 60, 10 * kSecondUs), 0U);
  EXPECT_EQ(gate.Take(kSecondUs, 1, 60, 10 * kSecondUs), 0U);
  EXPECT_GT(gate.Take(kSecondUs, 1, 60, 10 * kSecondUs), 0U);
}

TEST(RateGateTest, SaysHowLongToWait) {
  RateGate gate;
  EXPECT_EQ(gate.Take(0, 1, 1, 0), 0U);
  const uint64_t wait_us = gate.Take(0, 1, 1, 60 * kSecondUs);
  EXPECT_NEAR(static_cast<double>(wait_us), 60e6, 10);
  EXPECT_EQ(gate.Take(wait_us, 1, 1, 60 * kSecondUs), 0U);
}

TEST(RateGateTest, NoLimitIsNone) {
  RateGate gate;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(gate.Take(0, 1'000'000, 0, 0), 0U);
  gate.Charge(0, 1'000'000, 0);
  EXPECT_EQ(gate.AheadUs(0), 0U);
}

// Octets of the largest message times the nanoseconds of a minute are more than 64 bits hold.
TEST(RateGateTest, LargeMessagesCostWhatTheyCost) {
  RateGate gate;
  constexpr uint64_t kOctets = uint64_t{4} << 30;
  constexpr uint64_t kOctetsAMinute = (uint64_t{1} << 20) * 60;
  gate.Charge(0, kOctets, kOctetsAMinute);
  EXPECT_NEAR(static_cast<double>(gate.AheadUs(0)), 4096e6, 10);
}

TEST(RateGateTest, WhatIsAheadIsWorkedOffOrForgotten) {
  RateGate gate;
  EXPECT_EQ(gate.AheadUs(0), 0U);
  gate.Charge(0, 3, 60);
  EXPECT_EQ(gate.AheadUs(0), 3 * kSecondUs);
  EXPECT_EQ(gate.AheadUs(kSecondUs), 2 * kSecondUs);
  EXPECT_EQ(gate.AheadUs(4 * kSecondUs), 0U);
  gate.Charge(4 * kSecondUs, 1, 60);  // What was not used is not saved up.
  EXPECT_EQ(gate.AheadUs(4 * kSecondUs), kSecondUs);
  gate.Forget();
  EXPECT_EQ(gate.AheadUs(4 * kSecondUs), 0U);
}

TEST(RateGateTest, WhatIsGivenBackNobodyWaitsFor) {
  RateGate gate;
  gate.Charge(kSecondUs, 3, 60);
  gate.Charge(kSecondUs, 4, 60);
  gate.GiveBack(3, 60);
  EXPECT_EQ(gate.AheadUs(kSecondUs), 4 * kSecondUs);
  gate.Forget();
  gate.GiveBack(4, 60);
  EXPECT_EQ(gate.AheadUs(0), 0U);
}

TEST(RateGateTest, ThreadsShareOneRate) {
  RateGate gate;
  std::atomic<int> let_through{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        if (gate.Take(0, 1, 600, 10 * kSecondUs) == 0) ++let_through;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(let_through, 100);
}

}  // namespace
}  // namespace poplar
