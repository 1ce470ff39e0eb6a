// The fixed tables that penalties are made of, by a clock of the test's own.

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "auth/service/guilt_table.h"
#include "auth/service/recent_set.h"

namespace poplar::auth {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;
constexpr uint64_t kDayUs = 86'400 * kSecondUs;

TEST(GuiltTableTest, DelaysGrowAndEnd) {
  GuiltTable table({.free = 2, .delay_first_ms = 250, .delay_max_ms = 4000});
  std::vector<uint32_t> delays;
  std::vector<bool> begun;
  for (int i = 0; i < 9; ++i) {
    begun.push_back(table.Add(1, 0));
    delays.push_back(table.DelayMs(1, 0));
  }
  EXPECT_EQ(delays, (std::vector<uint32_t>{0, 0, 250, 500, 1000, 2000, 4000, 4000, 4000}));
  EXPECT_EQ(begun,
            (std::vector<bool>{false, false, true, false, false, false, false, false, false}));
  EXPECT_EQ(table.DelayMs(2, 0), 0U);
}

TEST(GuiltTableTest, ForgetsOneFailureAtATime) {
  GuiltTable table({.free = 1, .forget_ms = 60'000, .delay_first_ms = 100});
  const uint64_t start = 1'000'000 * kSecondUs;
  for (int i = 0; i < 3; ++i) table.Add(1, start);
  EXPECT_EQ(table.DelayMs(1, start), 200U);
  EXPECT_EQ(table.DelayMs(1, start + 65 * kSecondUs), 100U);
  EXPECT_EQ(table.DelayMs(1, start + 125 * kSecondUs), 0U);
  EXPECT_TRUE(table.Add(1, start + 125 * kSecondUs)) << "it begins again";
  EXPECT_EQ(table.DelayMs(1, start + 125 * kSecondUs), 100U);
  EXPECT_EQ(table.DelayMs(1, start + 3600 * kSecondUs), 0U);
}

TEST(GuiltTableTest, EvenLongGuiltIsForgottenAndStaysSo) {
  GuiltTable table({});
  for (int i = 0; i < 10'000; ++i) table.Add(1, 0);
  EXPECT_EQ(table.DelayMs(1, 0), 4000U);
  for (uint64_t day = 0; day < 4000; ++day) {
    ASSERT_EQ(table.DelayMs(1, 16 * 60 * kSecondUs + day * kDayUs), 0U) << day;
  }
}

TEST(GuiltTableTest, NobodyWaitsWithoutADelay) {
  GuiltTable table({.free = 0, .delay_max_ms = 0});
  EXPECT_FALSE(table.Add(1, 0));
  EXPECT_EQ(table.DelayMs(1, 0), 0U);
}

TEST(GuiltTableTest, AFullTableKeepsTheGuiltiest) {
  GuiltTable table({.free = 0, .entries_max = 4});
  for (int i = 0; i < 5; ++i) table.Add(1, 0);
  for (uint64_t key = 2; key < 100; ++key) table.Add(key, 0);
  EXPECT_EQ(table.DelayMs(1, 0), 4000U);
}

TEST(GuiltTableTest, AFloodOfInventedNamesWashesNothingAway) {
  GuiltTable table({.free = 5, .entries_max = 1024});
  for (uint64_t key = 0; key < 100; ++key) {
    for (int i = 0; i < 8; ++i) table.Add(key, 0);
  }
  for (uint64_t key = 1000; key < 200'000; ++key) table.Add(key, kSecondUs);
  int forgotten = 0;
  for (uint64_t key = 0; key < 100; ++key) forgotten += table.DelayMs(key, kSecondUs) == 0 ? 1 : 0;
  // Where more than four of the hundred met in one bucket of 256, one had to go.
  EXPECT_LE(forgotten, 2);
}

TEST(GuiltTableTest, CountsFromManyThreads) {
  GuiltTable table({.free = 100, .delay_first_ms = 100, .delay_max_ms = 100});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 25; ++n) table.Add(42, 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table.DelayMs(42, 0), 0U) << "exactly a hundred";
  table.Add(42, 0);
  EXPECT_EQ(table.DelayMs(42, 0), 100U);
}

TEST(RecentSetTest, ForgetsWhatIsNotSeenAgain) {
  RecentSet set({.ttl_s = 100, .entries_max = 64});
  EXPECT_FALSE(set.Contains(1, 1, 0));
  EXPECT_FALSE(set.Add(1, 1, 0));
  EXPECT_TRUE(set.Contains(1, 1, 99 * kSecondUs));
  EXPECT_FALSE(set.Contains(1, 1, 100 * kSecondUs));
  EXPECT_FALSE(set.Contains(1, 2, 0));
  EXPECT_FALSE(set.Contains(2, 1, 0));
  EXPECT_TRUE(set.Add(1, 1, 90 * kSecondUs));
  EXPECT_TRUE(set.Contains(1, 1, 189 * kSecondUs)) << "seen again";
  EXPECT_FALSE(set.Add(1, 1, 190 * kSecondUs)) << "too long ago";
}

TEST(RecentSetTest, TheOldestOfABucketMakesRoom) {
  RecentSet set({.ttl_s = 1000, .entries_max = 8});
  for (uint64_t item = 0; item < 20; ++item) set.Add(1, item, item * kSecondUs);
  for (uint64_t item = 0; item < 20; ++item) {
    EXPECT_EQ(set.Contains(1, item, 20 * kSecondUs), item >= 12) << item;
  }
  EXPECT_EQ(set.forgotten(), 12U);
  for (uint64_t item = 100; item < 108; ++item) set.Add(1, item, 2000 * kSecondUs);
  EXPECT_EQ(set.forgotten(), 12U) << "what is too old is no loss";
}

TEST(RecentSetTest, OneNameCannotPushOutTheOthers) {
  RecentSet set({.ttl_s = 1000, .entries_max = 8 * 1024});
  for (uint64_t name = 0; name < 1000; ++name) set.Add(name, 1, kSecondUs);
  for (uint64_t item = 0; item < 1'000'000; ++item) set.Add(5000, item, 2 * kSecondUs);
  int forgotten = 0;
  for (uint64_t name = 0; name < 1000; ++name) {
    forgotten += set.Contains(name, 1, 2 * kSecondUs) ? 0 : 1;
  }
  EXPECT_LE(forgotten, 10) << "a thousand names in 1,024 buckets: only those of one";
}

}  // namespace
}  // namespace poplar::auth
