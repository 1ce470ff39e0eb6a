#include "core/proto/lmtp/message_intake.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::lmtp {
namespace {

using Framing = MessageIntake::Framing;
constexpr std::string_view kTrace = "T: 1\r\n";

TEST(MessageIntake, DotStuffed) {
  MessageIntake intake(Framing::kDotStuffed, kTrace, 100);
  std::string_view input = "A: b\r\n\r\nhi\r\n.\r\nQUIT\r\n";
  EXPECT_TRUE(intake.needs_input());
  intake.Take(input);
  EXPECT_TRUE(intake.done());
  EXPECT_EQ(intake.piece(), "T: 1\r\nA: b\r\n\r\nhi\r\n.\r\n");
  EXPECT_EQ(input, "QUIT\r\n");
  EXPECT_EQ(intake.sizes().octets, 18u);
  EXPECT_EQ(intake.sizes().wire_bytes, 21u);
  EXPECT_EQ(intake.sizes().header_bytes, 14u);
}

TEST(MessageIntake, Chunks) {
  MessageIntake intake(Framing::kByLength, kTrace, 100);
  std::string_view input = "abcd";
  intake.StartChunk(3, false);
  intake.Take(input);
  EXPECT_TRUE(intake.done());
  EXPECT_EQ(input, "d");
  EXPECT_EQ(intake.piece(), "T: 1\r\nabc");
  intake.StartChunk(0, true);
  EXPECT_FALSE(intake.done());
  EXPECT_FALSE(intake.needs_input());
  intake.Take(input);
  EXPECT_TRUE(intake.done());
  EXPECT_EQ(intake.piece(), "\r\n.\r\n");
}

TEST(MessageIntake, TheLimitIsAboutWhatTheClientSends) {
  MessageIntake fits(Framing::kDotStuffed, kTrace, 4);
  std::string_view input = "ab\r\n.\r\n";
  fits.Take(input);
  EXPECT_FALSE(fits.over_limit());
  EXPECT_FALSE(fits.piece().empty());

  MessageIntake over(Framing::kDotStuffed, kTrace, 4);
  input = "abc\r\n.\r\n";
  over.Take(input);
  EXPECT_TRUE(over.over_limit());
  EXPECT_TRUE(over.done());
  EXPECT_TRUE(over.piece().empty());
  EXPECT_EQ(over.discarded_bytes(), 8u);
}

TEST(MessageIntake, PiecesAreBounded) {
  MessageIntake intake(Framing::kDotStuffed, kTrace, 10'000'000);
  const std::string lone_lfs(1'000'000, '\n');  // Each byte becomes two.
  std::string stored;
  for (std::string_view input = lone_lfs; !input.empty();) {
    intake.Take(input);
    ASSERT_LE(intake.piece().size(), kPieceBytesMax);
    stored += intake.piece();
  }
  EXPECT_EQ(stored.size(), kTrace.size() + 2 * lone_lfs.size());
}

TEST(MessageIntake, DiscardStillFindsTheEnd) {
  MessageIntake intake(Framing::kDotStuffed, kTrace, 100);
  std::string_view input = "abc\r";
  intake.Take(input);
  intake.Discard();
  EXPECT_TRUE(intake.piece().empty());
  input = "\n.\r\nNOOP\r\n";
  intake.Take(input);
  EXPECT_TRUE(intake.done());
  EXPECT_EQ(input, "NOOP\r\n");
  EXPECT_TRUE(intake.piece().empty());
}

}  // namespace
}  // namespace poplar::lmtp
