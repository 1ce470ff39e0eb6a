#include "core/server/recent_logins.h"

#include <gtest/gtest.h>

namespace poplar::server {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;

TEST(RecentLoginsTest, ALoginIsTooSoonUntilTheDelayIsOver) {
  RecentLogins logins;
  EXPECT_FALSE(logins.TooSoon(7, 5 * kSecondUs, 60));
  logins.Remember(7, 5 * kSecondUs, 60);
  EXPECT_TRUE(logins.TooSoon(7, 5 * kSecondUs, 60));
  EXPECT_TRUE(logins.TooSoon(7, 64 * kSecondUs, 60));
  EXPECT_FALSE(logins.TooSoon(7, 65 * kSecondUs, 60));
  EXPECT_FALSE(logins.TooSoon(7, 5 * kSecondUs, 0));
}

TEST(RecentLoginsTest, OthersAreNotTooSoon) {
  RecentLogins logins;
  const uint64_t same_set = uint64_t{1} << 40;
  logins.Remember(7, 0, 60);
  EXPECT_FALSE(logins.TooSoon(7 + same_set, 0, 60));
}

TEST(RecentLoginsTest, ALaterLoginCountsInThePlaceOfTheFirst) {
  RecentLogins logins;
  logins.Remember(7, 0, 60);
  logins.Remember(7, 50 * kSecondUs, 60);
  EXPECT_TRUE(logins.TooSoon(7, 70 * kSecondUs, 60));
}

TEST(RecentLoginsTest, WhereTooManyMeetTheOldestIsForgotten) {
  RecentLogins logins;
  for (uint64_t i = 0; i < 9; ++i)
    logins.Remember(7 + (i + 1) * (uint64_t{1} << 40), i * kSecondUs, 60);
  EXPECT_FALSE(logins.TooSoon(7 + (uint64_t{1} << 40), 9 * kSecondUs, 60));
  for (uint64_t i = 1; i < 9; ++i) {
    EXPECT_TRUE(logins.TooSoon(7 + (i + 1) * (uint64_t{1} << 40), 9 * kSecondUs, 60)) << i;
  }
}

TEST(RecentLoginsTest, WhatIsForgottenTooSoonIsCounted) {
  RecentLogins logins;
  const auto maildrop = [](uint64_t i) { return 7 + (i + 1) * (uint64_t{1} << 40); };
  for (uint64_t i = 0; i < 8; ++i) logins.Remember(maildrop(i), i * kSecondUs, 60);
  logins.Remember(maildrop(7), 8 * kSecondUs, 60);
  EXPECT_EQ(logins.forgotten(), 0U);
  logins.Remember(maildrop(8), 9 * kSecondUs, 60);
  EXPECT_EQ(logins.forgotten(), 1U);
  logins.Remember(maildrop(9), 100 * kSecondUs, 60);
  EXPECT_EQ(logins.forgotten(), 1U) << "that one's delay was over";
}

}  // namespace
}  // namespace poplar::server
