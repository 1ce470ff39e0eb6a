#include "core/app/table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace poplar::app {
namespace {

TEST(Table, AlignsColumnsByCharacters) {
  Table table({"USER", "STATE"});
  table.Add({"gr\xc3\xbc\xc3\x9f@example.org", "enabled"});
  table.Add({"a@b", ""});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(),
            "USER              STATE\n"
            "gr\xc3\xbc\xc3\x9f@example.org  enabled\n"
            "a@b               \n");
}

TEST(Table, ShowsNoControlCharacters) {
  Table table({"NAME"});
  table.Add({"a\x1b[2J\nb\x7f"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(), "NAME\na?[2J?b?\n");
}

TEST(Table, TellsDurationsSizesAndTimes) {
  EXPECT_EQ(DurationText(0), "0 s");
  EXPECT_EQ(DurationText(119), "119 s");
  EXPECT_EQ(DurationText(120), "2 min");
  EXPECT_EQ(DurationText(7199), "119 min");
  EXPECT_EQ(DurationText(7200), "2 h");
  EXPECT_EQ(DurationText(200'000), "2 d");
  EXPECT_EQ(SizeText(0), "0.0 KiB");
  EXPECT_EQ(SizeText(1), "1 B");
  EXPECT_EQ(SizeText(1024), "1.0 KiB");
  EXPECT_EQ(SizeText(37 << 20), "37 MiB");
  EXPECT_EQ(TimeText(0), "1970-01-01 00:00 UTC");
  EXPECT_EQ(TimeText(1'795'425'420), "2026-11-23 09:17 UTC");
}

}  // namespace
}  // namespace poplar::app
