#include "core/proto/wire/line_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace poplar::wire {
namespace {

using Result = LineReader::Result;

constexpr uint32_t kLimit = 16;

// All lines of `text`, fed in pieces of `piece` bytes; `<long>` for one that is too long.
std::vector<std::string> Lines(std::string_view text, size_t piece) {
  LineReader reader;
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::string copy(text.substr(0, piece));
    text.remove_prefix(copy.size());
    std::string_view input = copy;
    std::string_view line;
    for (bool more = true; more;) {
      switch (reader.Next(input, kLimit, line)) {
        case Result::kIncomplete:
          EXPECT_TRUE(input.empty());
          more = false;
          break;
        case Result::kLine:
          lines.emplace_back(line);
          break;
        case Result::kTooLong:
          lines.emplace_back("<long>");
          break;
      }
      EXPECT_LE(reader.kept_bytes(), kLimit);
    }
  }
  return lines;
}

TEST(LineReader, LinesAreTheSameHoweverTheyAreCut) {
  const std::string text =
      "NOOP\r\n"
      "\n"
      "\r\n"
      "lone\n"
      "two\r\r\n"
      "cr\rinside\r\n"
      "12345678901234\r\n"   // 16 octets with CRLF.
      "123456789012345\n"    // 16 with LF.
      "123456789012345\r\n"  // 17.
      "1234567890123456\n"   // 17.
      "far too long a line, much too long, QUIT\r\n"
      "after\r\n"
      "1234567890123456\r\n"
      "unfinished";
  const std::vector<std::string> expected = {"NOOP",
                                             "",
                                             "",
                                             "lone",
                                             "two\r",
                                             "cr\rinside",
                                             "12345678901234",
                                             "123456789012345",
                                             "<long>",
                                             "<long>",
                                             "<long>",
                                             "after",
                                             "<long>"};
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_EQ(Lines(text, piece), expected) << "in pieces of " << piece;
  }
}

TEST(LineReader, AWholeLineIsNotCopied) {
  LineReader reader;
  const std::string text = "NOOP\r\nSTAT\r\n";
  std::string_view input = text;
  std::string_view line;
  ASSERT_EQ(reader.Next(input, kLimit, line), Result::kLine);
  EXPECT_EQ(line.data(), text.data());
  EXPECT_EQ(line, "NOOP");
  EXPECT_EQ(input, "STAT\r\n");
  EXPECT_EQ(reader.kept_bytes(), 0u);
}

TEST(LineReader, AKeptLineIsGoneWithTheNextCall) {
  LineReader reader;
  std::string_view line;
  std::string_view input = "NO";
  EXPECT_EQ(reader.Next(input, kLimit, line), Result::kIncomplete);
  EXPECT_EQ(reader.kept_bytes(), 2u);
  input = "OP\r\nST";
  ASSERT_EQ(reader.Next(input, kLimit, line), Result::kLine);
  EXPECT_EQ(line, "NOOP");
  EXPECT_EQ(input, "ST");
  EXPECT_EQ(reader.Next(input, kLimit, line), Result::kIncomplete);
  EXPECT_EQ(reader.kept_bytes(), 2u);
  reader.Release();
  EXPECT_EQ(reader.kept_bytes(), 0u);
}

TEST(LineReader, WhatIsTooLongIsNotKept) {
  LineReader reader;
  std::string_view line;
  std::string_view input = "0123456789abcdef";
  EXPECT_EQ(reader.Next(input, kLimit, line), Result::kIncomplete);
  EXPECT_EQ(reader.kept_bytes(), 0u);
  // Release forgets bytes, not that the line goes on; Reset does.
  reader.Release();
  input = "rest\r\nNOOP\r\n";
  EXPECT_EQ(reader.Next(input, kLimit, line), Result::kTooLong);
  EXPECT_EQ(input, "NOOP\r\n");
  input = "0123456789abcdef";
  EXPECT_EQ(reader.Next(input, kLimit, line), Result::kIncomplete);
  reader.Reset();
  input = "NOOP\r\n";
  EXPECT_EQ(reader.Next(input, kLimit, line), Result::kLine);
}

TEST(LineReader, TheLimitMayChangeBetweenLines) {
  LineReader reader;
  std::string_view line;
  std::string_view input = "0123456789abcdef0123\r\n0123456789abcdef0123\r\n";
  EXPECT_EQ(reader.Next(input, 2 * kLimit, line), Result::kLine);
  EXPECT_EQ(line, "0123456789abcdef0123");
  EXPECT_EQ(reader.Next(input, kLimit, line), Result::kTooLong);
}

}  // namespace
}  // namespace poplar::wire
