// What compaction passes over, and for how long.

#include "storage/engine/passed_over.h"

#include <gtest/gtest.h>

namespace poplar::storage {
namespace {

using Why = PassedOver::Why;

constexpr uint64_t kSecond = 1'000'000;
constexpr uint64_t kHour = 3'600 * kSecond;

TEST(PassedOverTest, OneThatFailsAgainAndAgainRestsLongerUpToAnEnd) {
  PassedOver passed_over;
  uint64_t now_us = kHour;
  uint64_t before_us = 0;
  for (int failure = 0; failure < 20; ++failure) {
    passed_over.Add(1, Why::kUnreadable, now_us);
    uint64_t rest_us = 0;
    while (passed_over.contains(1, now_us + rest_us)) rest_us += kSecond;
    EXPECT_TRUE(rest_us > before_us || failure >= 6) << failure;
    EXPECT_LE(rest_us, kHour / 5);
    before_us = rest_us;
    now_us += rest_us;
  }
  EXPECT_FALSE(passed_over.contains(2, now_us));
  EXPECT_EQ(passed_over.kept(), 1U);
  passed_over.Forget(1);
  EXPECT_EQ(passed_over.kept(), 0U);
}

TEST(PassedOverTest, EachIsTriedAgainWhenItsReasonMayHaveEnded) {
  PassedOver passed_over;
  passed_over.Add(1, Why::kDamaged, 0);
  passed_over.Add(2, Why::kDamagedList, 0);
  passed_over.Add(3, Why::kNoRoom, 0);
  EXPECT_EQ(passed_over.kept(), 1U);
  EXPECT_TRUE(passed_over.contains(3, 1));
  passed_over.RoomCame();
  EXPECT_FALSE(passed_over.contains(3, 1));
  EXPECT_TRUE(passed_over.contains(2, 1));
  passed_over.ForgetSound();
  EXPECT_FALSE(passed_over.contains(2, 1));
  EXPECT_TRUE(passed_over.contains(1, 1'000 * kHour));
}

}  // namespace
}  // namespace poplar::storage
