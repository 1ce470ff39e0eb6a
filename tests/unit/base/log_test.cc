#include "core/base/log.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace poplar::base
