#include "core/app/transfer/dates.h"

#include <gtest/gtest.h>

namespace poplar::app {
namespace {

constexpr int64_t kThen = 1'275'568'496;  // 2010-06-03 12:34:56 UTC

TEST(ParseFromLine, WithAndWithoutZone) {
  EXPECT_EQ(ParseFromLine("From a@b.example Thu Jun  3 12:34:56 2010"), kThen);
  EXPECT_EQ(ParseFromLine("From a@b.example Thu Jun  3 12:34:56 2010 +0200"), kThen - 7200);
  EXPECT_EQ(ParseFromLine("From a@b.example Thu Jun  3 12:34:56 -0130 2010"), kThen + 5400);
  EXPECT_EQ(ParseFromLine("From a@b.example Thu Jun  3 12:34:56 CEST 2010"), kThen);
  EXPECT_EQ(ParseFromLine("From a b c Thu Jun 03 12:34 2010 remote from x"), kThen - 56);
  EXPECT_EQ(ParseFromLine("From - Thu Jan  1 00:00:00 1970"), 0);
}

TEST(ParseFromLine, WhatIsNone) {
  for (const char* const line :
       {"", "From ", "From here on", ">From a Thu Jun  3 12:34:56 2010",
        "From a Xxx Jun  3 12:34:56 2010", "From a Thu Xxx  3 12:34:56 2010",
        "From a Thu Jun 32 12:34:56 2010", "From a Thu Jun  3 24:34:56 2010",
        "From a Thu Jun  3 12:34:56", "From a Thu Jun  3 12-34-56 2010",
        "From a Thu Jun  3 12:34:56 20100", "from a Thu Jun  3 12:34:56 2010"}) {
    EXPECT_FALSE(ParseFromLine(line).has_value()) << line;
  }
}

TEST(ParseMailDate, AsHeadersHaveIt) {
  EXPECT_EQ(ParseMailDate(" Thu, 3 Jun 2010 12:34:56 +0000"), kThen);
  EXPECT_EQ(ParseMailDate("3 Jun 2010 14:34:56 +0200 (CEST)"), kThen);
  EXPECT_EQ(ParseMailDate("03 Jun 2010 12:34:56 GMT"), kThen);
  EXPECT_EQ(ParseMailDate("3 Jun 2010 12:34"), kThen - 56);
  for (const char* const bad : {"", "yesterday", "Thu, Jun 3 2010", "3 Jun 10 12:34:56 +0000"}) {
    EXPECT_FALSE(ParseMailDate(bad).has_value()) << bad;
  }
}

TEST(ReceivedByHeader, TheUppermostThenDate) {
  EXPECT_EQ(ReceivedByHeader("Received: from a; b\r\n\tby c; Thu, 3 Jun\r\n 2010 12:34:56 +0000\r\n"
                             "Received: x; Fri, 4 Jun 2010 12:34:56 +0000\r\n"
                             "Date: Sat, 5 Jun 2010 12:34:56 +0000\r\n\r\n"),
            kThen);
  EXPECT_EQ(ReceivedByHeader("received: without a date\nDate: Thu, 3 Jun 2010 12:34:56 +0000\n"),
            kThen);
  EXPECT_FALSE(ReceivedByHeader("A: b\n\nDate: Thu, 3 Jun 2010 12:34:56 +0000\n").has_value());
}

TEST(AppendFromDate, ReadsBack) {
  for (const int64_t second : {int64_t{0}, kThen, int64_t{-5}, int64_t{4'102'444'800}}) {
    std::string line = "From x ";
    AppendFromDate(second, line);
    EXPECT_EQ(line.size(), 7U + 24U);
    EXPECT_EQ(ParseFromLine(line), second) << line;
  }
}

}  // namespace
}  // namespace poplar::app
