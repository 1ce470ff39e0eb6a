#include "bench/load/options.h"

#include <gtest/gtest.h>

#include <sstream>

namespace poplar::load {
namespace {

ParsedOptions Parse(const std::string& line) {
  std::istringstream text("poplar-load " + line);
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  std::vector<char*> arguments;
  arguments.reserve(words.size());
  for (std::string& word : words) arguments.push_back(word.data());
  return ParseOptions(static_cast<int>(arguments.size()), arguments.data());
}

std::optional<int> ExitCode(const std::string& line) { return Parse(line).exit_code; }

const std::string kPop3 = " --pop3 127.0.0.1:1110 ";
const std::string kUsers = kPop3 + "--user u{} --users 4 -c 4 ";

TEST(OptionsTest, HandshakesAndGreetingsNeedNoUsers) {
  EXPECT_FALSE(ExitCode("handshake --tls --tls-resume -c 16" + kPop3));
  EXPECT_FALSE(ExitCode("idle --no-login -c 16" + kPop3));
  EXPECT_EQ(ExitCode("idle -c 16" + kPop3), 2);
  EXPECT_EQ(ExitCode("session -c 1" + kPop3), 2);
  EXPECT_EQ(ExitCode("session --user u{} --users 4 -c 5" + kPop3), 2);
}

TEST(OptionsTest, ARateIsForIndependentOperations) {
  EXPECT_EQ(Parse("session --rate 12.5" + kUsers).options.rate, 12.5);
  EXPECT_FALSE(ExitCode("noop --rate 100" + kUsers));
  EXPECT_FALSE(ExitCode("fetch --rate 100 --depth 4" + kUsers));
  EXPECT_EQ(ExitCode("noop --rate 100 --depth 4" + kUsers), 2);
  EXPECT_EQ(ExitCode("churn --rate 100 --lmtp 127.0.0.1:1024" + kUsers), 2);
  EXPECT_EQ(ExitCode("idle --rate 100" + kUsers), 2);
  EXPECT_EQ(ExitCode("session --rate 0" + kUsers), 2);
  EXPECT_EQ(ExitCode("session --rate -3" + kUsers), 2);
}

TEST(OptionsTest, WhatFitsOneProfileOnly) {
  EXPECT_EQ(Parse("idle --pause-ms 500" + kUsers).options.pause_ms, 500U);
  EXPECT_EQ(ExitCode("idle --pause-ms 500 --no-login" + kUsers), 2);
  EXPECT_EQ(ExitCode("idle --operations 5" + kUsers), 2);
  EXPECT_EQ(ExitCode("session --pause-ms 500" + kUsers), 2);
  EXPECT_EQ(ExitCode("session --no-login" + kUsers), 2);
  EXPECT_EQ(ExitCode("slow" + kUsers), 2);
  EXPECT_FALSE(ExitCode("slow --read-bytes-per-second 1000" + kUsers));
  EXPECT_EQ(ExitCode("retr --read-bytes-per-second 1000" + kUsers), 2);
}

TEST(OptionsTest, ACrowdNeedsNoWarmUp) {
  EXPECT_EQ(Parse("idle" + kUsers).options.warmup_seconds, 0);
  EXPECT_EQ(Parse("idle --warmup 2" + kUsers).options.warmup_seconds, 2);
  EXPECT_EQ(Parse("noop" + kUsers).options.warmup_seconds, 1);
  EXPECT_EQ(Parse("noop --operations 9" + kUsers).options.warmup_seconds, 0);
}

TEST(OptionsTest, AControlGroupHasTwoNames) {
  EXPECT_EQ(Parse("noop --cgroup /a" + kUsers).options.server_cgroup, "/a");
  EXPECT_EQ(Parse("noop --server-cgroup /a" + kUsers).options.server_cgroup, "/a");
}

}  // namespace
}  // namespace poplar::load
