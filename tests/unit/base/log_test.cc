#include "core/base/log.h"

#include <gtest/gtest.h>

#include <array>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace poplar::base {
namespace {

TEST(LogTest, KeyValueQuotesWhatIsNotAWord) {
  EXPECT_EQ(FormatLogLine(LogFormat::kKeyValue, "login",
                          {{"user", "alice@example.org"},
                           {"n", 7},
                           {"tls", true},
                           {"why", "two words"},
                           {"empty", ""}}),
            R"(login user=alice@example.org n=7 tls=true why="two words" empty="")");
}

TEST(LogTest, NoInputForgesALine) {
  EXPECT_EQ(FormatLogLine(LogFormat::kKeyValue, "e", {{"v", "a\r\nlogin user=\"x\""}}),
            R"(e v="a\u000d\u000alogin user=\"x\"")");
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, "e", {{"v", "\"}\n"}}),
            R"("event":"e","v":"\"}\u000a")");
}

TEST(LogTest, LongValuesAreCut) {
  const std::string line =
      FormatLogLine(LogFormat::kKeyValue, "e", {{"v", std::string(10000, 'x')}});
  EXPECT_LT(line.size(), 300U);
}

// Lines are written many at once; the last of them when the log stops.
TEST(LogTest, WritesWholeLinesInOrder) {
  constexpr int kThreads = 4;
  constexpr int kLines = 1500;
  const uint64_t lost_before = LogLinesLost();
  testing::internal::CaptureStderr();
  StartLog({.queue_lines_max = kThreads * kLines});
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([thread] {
      for (int i = 0; i < kLines; ++i) Log(LogLevel::kInfo, "e", {{"t", thread}, {"i", i}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(LogLinesLost(), lost_before);
  StopLog();
  std::istringstream written(testing::internal::GetCapturedStderr());
  std::array<int, kThreads> next{};
  std::string time, level, event;
  char t = 0, i = 0, equals = 0;
  int thread = 0, number = 0;
  while (written >> time >> level >> event >> t >> equals >> thread >> i >> equals >> number) {
    ASSERT_EQ(level + event + t + i, "infoeti");
    ASSERT_TRUE(thread >= 0 && thread < kThreads);
    ASSERT_EQ(number, next.at(thread)++);
  }
  for (const int lines : next) EXPECT_EQ(lines, kLines);
}

}  // namespace
}  // namespace poplar::base
