#include "bench/load/dots.h"

#include <gtest/gtest.h>

#include "bench/load/corpus.h"

namespace poplar::load {
namespace {

struct Taken {
  std::string octets;
  size_t wire_bytes = 0;
  bool done = false;
  bool bare_newline = false;
};

Taken Feed(std::string_view wire, size_t piece) {
  DotReader reader;
  reader.Begin();
  Taken taken;
  while (taken.wire_bytes < wire.size() && !reader.done()) {
    std::string_view next = wire.substr(taken.wire_bytes, piece);
    taken.wire_bytes +=
        reader.Feed(next, [&taken](std::string_view octets) { taken.octets.append(octets); });
  }
  taken.done = reader.done();
  taken.bare_newline = reader.bare_newline();
  return taken;
}

TEST(DotsTest, StuffsLeadingDotsAndEnds) {
  EXPECT_EQ(Stuff("a\r\n"), "a\r\n.\r\n");
  EXPECT_EQ(Stuff(".\r\n..\r\na.b\r\n.c\r\n"), "..\r\n...\r\na.b\r\n..c\r\n.\r\n");
}

TEST(DotsTest, TakesBackWhatWasStuffedInPiecesOfAnySize) {
  for (const std::string& message :
       {std::string("\r\n"), std::string(".\r\n.\r\n\r\n..x\r\n"), std::string("a\rb\r\n.\rc\r\n"),
        Generate({.octets = 20'000})}) {
    std::string wire = Stuff(message);
    for (size_t piece = 1; piece < 20; ++piece) {
      Taken taken = Feed(wire + "+OK next", piece);
      ASSERT_TRUE(taken.done);
      ASSERT_FALSE(taken.bare_newline);
      ASSERT_EQ(taken.octets, message) << piece;
      ASSERT_EQ(taken.wire_bytes, wire.size()) << piece;
    }
  }
}

TEST(DotsTest, WhatIsSeenDoesNotDependOnWhereItStands) {
  // Around the edges of what the reader passes over at once; octet by octet it passes over nothing.
  for (const std::string_view special :
       {"\r\n..x", "\r\n.x", "x\ny", "\r\r\n..", "\n.", "\r\n\r\n"}) {
    for (size_t at = 500; at < 1100; ++at) {
      std::string wire(2'000, 'a');
      wire.replace(at, special.size(), special).append("\r\n.\r\n");
      const Taken whole = Feed(wire, wire.size());
      const Taken single = Feed(wire, 1);
      ASSERT_TRUE(whole.done) << special << at;
      ASSERT_EQ(whole.octets, single.octets) << special << at;
      ASSERT_EQ(whole.bare_newline, single.bare_newline) << special << at;
      ASSERT_EQ(whole.wire_bytes, single.wire_bytes) << special << at;
    }
  }
}

TEST(DotsTest, AnEmptyBlockIsOnlyTheDot) {
  Taken taken = Feed(".\r\n", 1);
  EXPECT_TRUE(taken.done);
  EXPECT_EQ(taken.octets, "");
}

TEST(DotsTest, ADotBehindABareLineFeedEndsNothing) {
  Taken taken = Feed("a\n.\r\nb\r\n", 3);
  EXPECT_FALSE(taken.done);
  EXPECT_TRUE(taken.bare_newline);
  EXPECT_EQ(taken.octets, "a\n.\r\nb\r\n");
}

}  // namespace
}  // namespace poplar::load
