#include "core/proto/pop3/top_cutter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace poplar::pop3 {
namespace {

// What TOP answers to this message, fed in pieces of `piece` bytes.
std::string Top(std::string_view wire, uint32_t lines, size_t piece) {
  TopCutter cutter(lines);
  std::string answer;
  while (!cutter.done() && !wire.empty()) {
    const std::string_view chunk = wire.substr(0, piece);
    wire.remove_prefix(chunk.size());
    answer += chunk.substr(0, cutter.Pass(chunk));
  }
  return answer + std::string(cutter.Ending());
}

void ExpectTop(std::string_view wire, uint32_t lines, std::string_view answer) {
  for (size_t piece = 1; piece <= wire.size(); ++piece) {
    EXPECT_EQ(Top(wire, lines, piece), answer) << lines << " lines, in pieces of " << piece;
  }
  // The caller may also leave the message's own end away.
  EXPECT_EQ(Top(wire.substr(0, wire.size() - 3), lines, 7), answer);
}

TEST(TopCutter, HeaderBlankLineAndSoManyLines) {
  constexpr std::string_view kWire =
      "Subject: x\r\n folded\r\n\r\none\r\n..\r\n\r\n...two\r\nlast\r\n.\r\n";
  ExpectTop(kWire, 0, "Subject: x\r\n folded\r\n\r\n.\r\n");
  ExpectTop(kWire, 1, "Subject: x\r\n folded\r\n\r\none\r\n.\r\n");
  ExpectTop(kWire, 2, "Subject: x\r\n folded\r\n\r\none\r\n..\r\n.\r\n");
  ExpectTop(kWire, 3, "Subject: x\r\n folded\r\n\r\none\r\n..\r\n\r\n.\r\n");
  ExpectTop(kWire, 4, "Subject: x\r\n folded\r\n\r\none\r\n..\r\n\r\n...two\r\n.\r\n");
  ExpectTop(kWire, 5, kWire);
  ExpectTop(kWire, 6, kWire);
  ExpectTop(kWire, ~uint32_t{0}, kWire);
}

TEST(TopCutter, MessagesWithoutAHeaderOrABody) {
  ExpectTop("\r\nbody\r\n.\r\n", 0, "\r\n.\r\n");
  ExpectTop("\r\nbody\r\n.\r\n", 1, "\r\nbody\r\n.\r\n");
  ExpectTop("Only: header\r\n.\r\n", 0, "Only: header\r\n.\r\n");
  ExpectTop("Only: header\r\n\r\n.\r\n", 3, "Only: header\r\n\r\n.\r\n");
  ExpectTop("\r\n.\r\n", 0, "\r\n.\r\n");
  ExpectTop("..\r\n.\r\n", 0, "..\r\n.\r\n");
}

TEST(TopCutter, DotsCarriageReturnsAndNulsInLinesAreNoEnds) {
  ExpectTop("A: .\r\n..x\r\nB:\rx\r\n\r\n\r\r\n..\r\r\na.\r\nb\r\n.\r\n", 3,
            "A: .\r\n..x\r\nB:\rx\r\n\r\n\r\r\n..\r\r\na.\r\n.\r\n");
  ExpectTop(std::string_view("A: b\r\n\r\n\0\r\n\0\0.\r\n.\r\n", 19), 1,
            std::string_view("A: b\r\n\r\n\0\r\n.\r\n", 14));
}

TEST(TopCutter, SaysWhenEnough) {
  TopCutter cutter(1);
  EXPECT_EQ(cutter.Pass("A: b\r\n\r\nline\r"), 13u);
  EXPECT_FALSE(cutter.done());
  EXPECT_EQ(cutter.Pass("\nmore"), 1u);
  EXPECT_TRUE(cutter.done());
  EXPECT_EQ(cutter.Ending(), ".\r\n");
}

}  // namespace
}  // namespace poplar::pop3
