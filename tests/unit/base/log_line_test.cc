#include "core/base/log_line.h"

#include <gtest/gtest.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "core/base/utf8.h"

namespace poplar::base {
namespace {

constexpr int64_t kWallUs = 1'700'000'000'007'999;
constexpr std::string_view kTextHead = "2023-11-14T22:13:20.007Z info ";
constexpr std::string_view kJsonHead = R"({"time":"2023-11-14T22:13:20.007Z","level":"info",)";

// What stands behind time, level and event.
std::string Text(std::initializer_list<LogField> fields) {
  const std::string line =
      FormatLogLine(LogFormat::kKeyValue, kWallUs, LogLevel::kInfo, "e", fields);
  const std::string head = std::string(kTextHead) + "e ";
  EXPECT_EQ(line.substr(0, head.size()), head);
  return line.substr(head.size());
}

std::string Json(std::initializer_list<LogField> fields) {
  const std::string line = FormatLogLine(LogFormat::kJson, kWallUs, LogLevel::kInfo, "e", fields);
  const std::string head = std::string(kJsonHead) + R"("event":"e",)";
  EXPECT_EQ(line.substr(0, head.size()), head);
  EXPECT_EQ(line.back(), '}');
  return line.substr(head.size(), line.size() - head.size() - 1);
}

TEST(LogLineTest, TimeLevelAndEvent) {
  EXPECT_EQ(FormatLogLine(LogFormat::kKeyValue, 0, LogLevel::kDebug, "e", {}),
            "1970-01-01T00:00:00.000Z debug e");
  EXPECT_EQ(FormatLogLine(LogFormat::kKeyValue, -1, LogLevel::kError, "e", {}),
            "1969-12-31T23:59:59.999Z error e");
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, 951'782'399'000'000, LogLevel::kWarning, "e", {}),
            R"({"time":"2000-02-28T23:59:59.000Z","level":"warning","event":"e"})");
}

TEST(LogLineTest, QuotesWhatIsNotAWord) {
  EXPECT_EQ(Text({{"user", "alice@example.org"},
                  {"n", 7},
                  {"tls", true},
                  {"why", "two words"},
                  {"empty", ""},
                  {"name", "\xc3\xa9"}}),
            "user=alice@example.org n=7 tls=true why=\"two words\" empty=\"\" name=\"\xc3\xa9\"");
  EXPECT_EQ(Json({{"user", "a"}, {"n", -7}, {"tls", false}}), R"("user":"a","n":-7,"tls":false)");
}

TEST(LogLineTest, PrintableIsForTerminals) {
  EXPECT_EQ(Printable("say \"b\u00fccher\" \\ twice"), "say \"b\u00fccher\" \\ twice");
  EXPECT_EQ(Printable("\x1b[2J\xff\u202e"), "\\u001b[2J\\xff\\u202e");
}

// A reader that parts words at a space of Unicode's must not see two fields.
TEST(LogLineTest, NoOtherSpaceEndsAWord) {
  for (const char* space : {"\xc2\xa0", "\xe2\x80\x82", "\xe3\x80\x80"}) {
    EXPECT_EQ(Text({{"v", std::string("a") + space}}), std::string("v=\"a") + space + "\"");
  }
}

TEST(LogLineTest, NoInputForgesALine) {
  EXPECT_EQ(Text({{"v", "a\r\nlogin user=\"x\""}}), R"(v="a\u000d\u000alogin user=\"x\"")");
  EXPECT_EQ(Json({{"v", "\"}\n"}}), R"("v":"\"}\u000a")");
}

TEST(LogLineTest, WhatATerminalActsOnIsEscaped) {
  const std::string value = "\x1b[31m\x7f\xc2\x85\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6";
  const std::string shown = R"("\u001b[31m\u007f\u0085\u009b\u2028\u202e\u2066")";
  EXPECT_EQ(Text({{"v", value}}), "v=" + shown);
  EXPECT_EQ(Json({{"v", value}}), "\"v\":" + shown);
}

TEST(LogLineTest, AnOctetThatIsNoUtf8IsShown) {
  EXPECT_EQ(Text({{"v", "bad\xff\xfe@\xc3"}}), R"(v="bad\xff\xfe@\xc3")");
  EXPECT_EQ(Text({{"v", "\\xff"}}), R"(v="\\xff")");
  EXPECT_EQ(Json({{"v", "bad\xff\xfe@\xc3"}}), R"("v":"bad\ufffdff\ufffdfe@\ufffdc3")");
  EXPECT_EQ(Json({{"v", "\xef\xbf\xbd"}}), R"("v":"\ufffdef\ufffdbf\ufffdbd")");
}

TEST(LogLineTest, LongValuesAreCutAtACharacter) {
  EXPECT_EQ(Text({{"v", std::string(10'000, 'x')}}), "v=" + std::string(256, 'x'));
  std::string name = "a";
  for (int i = 0; i < 150; ++i) name += "\xc3\xa9";
  EXPECT_EQ(Text({{"v", name}}), "v=\"" + name.substr(0, 255) + "\"");
  EXPECT_EQ(Json({{"v", name}}), "\"v\":\"" + name.substr(0, 255) + "\"");
}

// The octets of a value in JSON, as whoever reads the log finds them.
std::string OctetsOf(const std::string& value) {
  std::string octets;
  for (size_t at = 0; at < value.size();) {
    if (value.compare(at, 3, "\xef\xbf\xbd") == 0) {
      octets += static_cast<char>(std::stoi(value.substr(at + 3, 2), nullptr, 16));
      at += 5;
    } else {
      octets += value[at++];
    }
  }
  return octets;
}

TEST(LogLineTest, WhateverComesTheLineIsSoundAndSaysWhatCame) {
  constexpr std::string_view kPieces[] = {
      "a", "\"", "\\", "\\x", "\\ufffd", "\xc3\xa9", "\xc2\x85", "\xef\xbf\xbd", "ff", "\xe2\x80"};
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string value;
    while (value.size() < 20 && random() % 16 != 0) {
      if (random() % 2 == 0) {
        value += static_cast<char>(random());
      } else {
        value += kPieces[random() % std::size(kPieces)];
      }
    }
    const std::string text =
        FormatLogLine(LogFormat::kKeyValue, kWallUs, LogLevel::kInfo, "e", {{"v", value}});
    ASSERT_TRUE(IsUtf8(text)) << text;
    const std::string json =
        FormatLogLine(LogFormat::kJson, kWallUs, LogLevel::kInfo, "e", {{"v", value}});
    ASSERT_TRUE(IsUtf8(json)) << json;
    // Throws where it is no JSON.
    ASSERT_EQ(OctetsOf(nlohmann::json::parse(json)["v"].get<std::string>()), value) << json;
  }
}

}  // namespace
}  // namespace poplar::base
