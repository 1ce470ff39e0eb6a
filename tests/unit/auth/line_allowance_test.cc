#include "auth/host/line_allowance.h"

#include <gtest/gtest.h>

namespace poplar::auth {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;

TEST(LineAllowance, SoManyASecondAndTheRestIsToldOnce) {
  LineAllowance allowance;
  uint64_t now_us = 7;
  for (uint32_t i = 0; i < kPluginLinesPerS; ++i) EXPECT_TRUE(allowance.Take(now_us++).taken) << i;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(allowance.Take(now_us++).taken);
  EXPECT_EQ(allowance.TakeLeftOut(now_us), 0U) << "the second is not over";
  const LineAllowance::Verdict next = allowance.Take(7 + kSecondUs);
  EXPECT_TRUE(next.taken);
  EXPECT_EQ(next.left_out_before, 3U);
  EXPECT_EQ(allowance.Take(8 + kSecondUs).left_out_before, 0U);
  EXPECT_EQ(allowance.TakeLeftOut(7 + 3 * kSecondUs), 0U);
}

TEST(LineAllowance, WithoutAnotherLineTheRestIsToldToo) {
  LineAllowance allowance;
  for (uint32_t i = 0; i < kPluginLinesPerS + 5; ++i) allowance.Take(1);
  EXPECT_EQ(allowance.TakeLeftOut(1 + kSecondUs), 5U);
  EXPECT_EQ(allowance.TakeLeftOut(1 + 2 * kSecondUs), 0U);
  EXPECT_EQ(allowance.Take(1 + 2 * kSecondUs).left_out_before, 0U);
}

}  // namespace
}  // namespace poplar::auth
