#include "bench/load/corpus.h"

#include <gtest/gtest.h>

namespace poplar::load {
namespace {

Verdict Verify(Verifier* verifier, std::string_view message, size_t piece) {
  verifier->Begin();
  for (size_t i = 0; i < message.size(); i += piece) verifier->Append(message.substr(i, piece));
  return verifier->Finish();
}

TEST(CorpusTest, EverySizeIsExactAndEndsWithALine) {
  for (uint64_t octets = kMessageOctetsMin; octets < 2000; ++octets) {
    std::string message = Generate({.seed = 3, .id = octets, .octets = octets});
    ASSERT_EQ(message.size(), octets);
    ASSERT_TRUE(message.ends_with("\r\n")) << octets;
  }
  EXPECT_EQ(Generate({.octets = 1}).size(), kMessageOctetsMin);
}

TEST(CorpusTest, IsTheSameEveryTimeAndDifferentForEverySeedAndId) {
  std::string message = Generate({.seed = 1, .id = 2, .octets = 5000});
  EXPECT_EQ(message, Generate({.seed = 1, .id = 2, .octets = 5000}));
  EXPECT_NE(message, Generate({.seed = 2, .id = 2, .octets = 5000}));
  EXPECT_NE(message, Generate({.seed = 1, .id = 3, .octets = 5000}));
}

TEST(CorpusTest, HoldsOnlyWholeLinesAndLeadingDots) {
  std::string message = Generate({.seed = 1, .id = 7, .octets = 100'000});
  size_t dots = 0;
  size_t only_dot = 0;
  for (size_t begin = 0; begin < message.size();) {
    size_t end = message.find("\r\n", begin);
    ASSERT_NE(end, std::string::npos);
    std::string_view line(message.data() + begin, end - begin);
    ASSERT_EQ(line.find_first_of("\r\n"), std::string_view::npos);
    ASSERT_LE(line.size(), 76U);
    dots += line.starts_with('.') ? 1 : 0;
    only_dot += line == "." ? 1 : 0;
    begin = end + 2;
  }
  EXPECT_GT(dots, 50U);
  EXPECT_GT(only_dot, 3U);
}

TEST(CorpusTest, VerifiesInPiecesOfAnySizeBehindTraceHeaders) {
  std::string trace = "Return-Path: <a@b>\r\nReceived: from x\r\n\tby y; now\r\n";
  std::string message = trace + Generate({.seed = 9, .id = 0xabcdef, .octets = 3000});
  Verifier verifier;
  for (size_t piece : {size_t{1}, size_t{2}, size_t{7}, size_t{100}, size_t{4096}}) {
    ASSERT_EQ(Verify(&verifier, message, piece), Verdict::kMatches) << piece;
    EXPECT_EQ(verifier.id(), 0xabcdefU);
    EXPECT_EQ(verifier.octets(), message.size());
  }
}

TEST(CorpusTest, EveryChangedOctetBehindTheMarkIsFound) {
  std::string message = Generate({.seed = 9, .id = 1, .octets = 600});
  Verifier verifier;
  for (size_t i = 0; i < message.size(); ++i) {
    std::string changed = message;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_NE(Verify(&verifier, changed, 4096), Verdict::kMatches) << i;
  }
}

TEST(CorpusTest, NamesWhatIsWrong) {
  std::string message = Generate({.seed = 9, .id = 1, .octets = 600});
  Verifier verifier;
  EXPECT_EQ(Verify(&verifier, message.substr(0, 599), 50), Verdict::kWrongLength);
  EXPECT_EQ(Verify(&verifier, message + "x", 50), Verdict::kWrongLength);
  EXPECT_EQ(Verify(&verifier, "Subject: other mail\r\n\r\nhello\r\n", 5), Verdict::kNotOurs);
  EXPECT_EQ(Verify(&verifier, "", 5), Verdict::kNotOurs);
  std::swap(message[300], message[400]);
  EXPECT_EQ(Verify(&verifier, message, 50), Verdict::kWrongDigest);
}

TEST(CorpusTest, SizesStayInTheirRangeAndReachItsEnds) {
  SizeRange range{.octets_min = 1000, .octets_max = 100'000};
  uint64_t small = 0;
  for (uint64_t id = 0; id < 1000; ++id) {
    uint64_t octets = PickOctets(range, 1, id);
    ASSERT_GE(octets, 1000U);
    ASSERT_LE(octets, 100'000U);
    ASSERT_EQ(octets, PickOctets(range, 1, id));
    small += octets < 10'000 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(small), 500,
              60);  // log-uniform: half lies below the mean of logs
}

}  // namespace
}  // namespace poplar::load
