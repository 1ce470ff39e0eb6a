#include "core/app/quantities.h"

#include <gtest/gtest.h>

namespace poplar::app {
namespace {

constexpr int64_t kNow = 1'764'000'000;

TEST(Quantities, Sizes) {
  EXPECT_EQ(*ParseSize("0"), 0U);
  EXPECT_EQ(*ParseSize("1500000"), 1'500'000U);
  EXPECT_EQ(*ParseSize("12B"), 12U);
  EXPECT_EQ(*ParseSize("500MB"), 500'000'000U);
  EXPECT_EQ(*ParseSize("2GiB"), uint64_t{2} << 30);
  EXPECT_EQ(*ParseSize("1TiB"), uint64_t{1} << 40);
  for (const char* wrong : {"", "GiB", "2 GiB", "-1", "2gib", "1.5GB", "2GiBs",
                            "9223372036854775808", "18446744073709551615", "99999999999TiB"}) {
    EXPECT_EQ(ParseSize(wrong).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(Quantities, CountsAndDays) {
  EXPECT_EQ(*ParseCount("50000"), 50'000U);
  for (const char* wrong : {"", "-1", "5k", "9223372036854775808"}) {
    EXPECT_FALSE(ParseCount(wrong).ok()) << wrong;
  }
  EXPECT_EQ(*ParseDays("30"), 30U);
  EXPECT_EQ(*ParseDays("30d"), 30U);
  EXPECT_EQ(*ParseDays("0"), 0U);
  for (const char* wrong : {"", "-1", "3w", "36501", "1.5"}) {
    EXPECT_FALSE(ParseDays(wrong).ok()) << wrong;
  }
}

TEST(Quantities, Times) {
  EXPECT_EQ(*ParseSince("90m", kNow), kNow - 5400);
  EXPECT_EQ(*ParseSince("2h", kNow), kNow - 7200);
  EXPECT_EQ(*ParseSince("3d", kNow), kNow - 259'200);
  EXPECT_EQ(*ParseSince("1w", kNow), kNow - 604'800);
  EXPECT_EQ(*ParseSince("1970-01-02", kNow), 86'400);
  EXPECT_EQ(*ParseSince("2024-02-29", kNow), 1'709'164'800);
  EXPECT_EQ(*ParseSince("2026-11-24T10:00Z", kNow), 1'795'514'400);
  EXPECT_EQ(*ParseSince("2026-11-24T10:00", kNow), 1'795'514'400);
  EXPECT_EQ(*ParseSince("2026-11-24T10:00:30Z", kNow), 1'795'514'430);
  for (const char* wrong :
       {"", "2", "h", "2 h", "-2h", "2y", "2026-11", "2026-11-31", "2026-13-01", "26-11-24",
        "2026-11-24T", "2026-11-24T24:00", "2026-11-24T10:60Z", "2026-11-24 10:00",
        "2026-11-24T10:00+01:00", "99999999999999999d", "yesterday"}) {
    EXPECT_EQ(ParseSince(wrong, kNow).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(Quantities, DaysOfTheCalendar) {
  EXPECT_EQ(*ParseDay("1970-01-02"), 1U);
  EXPECT_EQ(*ParseDay("2026-11-24"), 20'781U);
  EXPECT_EQ(*ParseDaySince("2026-11-24", kNow), 20'781U);
  EXPECT_EQ(*ParseDaySince("0d", kNow), kNow / 86'400);
  EXPECT_EQ(*ParseDaySince("2w", kNow), kNow / 86'400 - 14);
  for (const char* wrong : {"", "2026-11-31", "2026-11-24T10:00Z", "2026-11-24 ", "1969-12-31",
                            "2h", "90m", "99999d"}) {
    EXPECT_EQ(ParseDay(wrong).status().code(), StatusCode::kInvalidArgument) << wrong;
    EXPECT_EQ(ParseDaySince(wrong, kNow).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
  EXPECT_FALSE(ParseDay("3d").ok());
}

}  // namespace
}  // namespace poplar::app
