#include "core/base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace poplar::base {
namespace {

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

TEST(LogDeathTest, WhatIsQueuedIsWrittenBeforeAProcessIsLeft) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto leave = [] {
    StartLog({});
    Log(LogLevel::kInfo, "first");
    Log(LogLevel::kInfo, "last");
    LeaveLog();
    _exit(0);
  };
  EXPECT_EXIT(leave(), testing::ExitedWithCode(0), " first\n.* last\n");
}

// A reload changes the format while shards log.
TEST(LogTest, EachLineHasOneFormatWhileThatChanges) {
  constexpr int kThreads = 3;
  constexpr int kLines = 2000;
  const uint64_t lost_before = LogLinesLost();
  testing::internal::CaptureStderr();
  StartLog({.queue_lines_max = 2 * kThreads * kLines});
  std::atomic<int> at_work = kThreads;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&at_work, thread] {
      for (int i = 0; i < kLines; ++i) Log(LogLevel::kInfo, "e", {{"t", thread}, {"i", i}});
      --at_work;
    });
  }
  int rounds = 0;
  for (; at_work > 0 || rounds < 100; ++rounds) {
    for (const LogFormat format : {LogFormat::kJson, LogFormat::kKeyValue}) {
      StartLog({.format = format});
      if (rounds < 100) Log(LogLevel::kInfo, "switched", {{"round", rounds}});
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(LogLinesLost(), lost_before);
  StopLog();
  const std::regex text(R"(\S+Z info (e t=\d i=\d+|switched round=\d+))");
  const std::regex json(
      R"re(\{"time":"\S+Z","level":"info","event":"(e","t":\d,"i":\d+|switched","round":\d+)\})re");
  std::istringstream written(testing::internal::GetCapturedStderr());
  int texts = 0, jsons = 0;
  for (std::string line; std::getline(written, line);) {
    const bool is_text = std::regex_match(line, text);
    ASSERT_TRUE(is_text || std::regex_match(line, json)) << line;
    ++(is_text ? texts : jsons);
  }
  EXPECT_GE(texts, 100);
  EXPECT_GE(jsons, 100);
  EXPECT_EQ(texts + jsons, kThreads * kLines + 2 * 100);
}

TEST(LogTest, WithoutItsThreadALineIsTheSame) {
  testing::internal::CaptureStderr();
  Log(LogLevel::kWarning, "e", {{"v", 1}});
  EXPECT_TRUE(std::regex_match(testing::internal::GetCapturedStderr(),
                               std::regex("\\S+Z warning e v=1\n")));
}

}  // namespace
}  // namespace poplar::base
