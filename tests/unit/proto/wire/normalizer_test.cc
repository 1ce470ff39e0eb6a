#include "core/proto/wire/normalizer.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/proto/wire/reference_normalizer.h"

namespace poplar::wire {
namespace {

using Framing = Normalizer::Framing;

struct Result {
  std::string wire;
  bool ended = false;
  size_t consumed = 0;
  uint64_t octets = 0;
  uint64_t wire_bytes = 0;
  uint64_t header_bytes = 0;
};

// Feeds `pieces` one by one, checking what every Feed promises.
Result Normalize(Framing framing, std::string_view prefix,
                 std::span<const std::string_view> pieces) {
  Normalizer normalizer(framing);
  base::ByteBuffer out;
  Result result;
  if (!prefix.empty()) normalizer.Prefix(prefix, out);
  for (const std::string_view piece : pieces) {
    const size_t before = out.size();
    const Normalizer::Progress progress = normalizer.Feed(piece, out);
    EXPECT_LE(out.size() - before, 2 * piece.size() + kFeedOverhangBytes);
    EXPECT_EQ(normalizer.wire_bytes(), out.size());
    EXPECT_EQ(progress.ended, normalizer.ended());
    result.consumed += progress.consumed;
    if (progress.ended) break;
    EXPECT_EQ(progress.consumed, piece.size());
  }
  if (framing == Framing::kByLength) normalizer.Finish(out);
  result.ended = normalizer.ended();
  result.wire = out.view();
  result.octets = normalizer.octets();
  result.wire_bytes = normalizer.wire_bytes();
  if (result.ended) result.header_bytes = normalizer.header_bytes();
  return result;
}

Result Normalize(Framing framing, std::string_view data) {
  return Normalize(framing, "", std::array{data});
}

std::string Stored(std::string_view data) { return Normalize(Framing::kDotStuffed, data).wire; }
std::string StoredByLength(std::string_view data) {
  return Normalize(Framing::kByLength, data).wire;
}

void ExpectSame(const Result& got, const ReferenceResult& want, std::string_view data) {
  ASSERT_EQ(got.wire, want.wire) << testing::PrintToString(std::string(data));
  ASSERT_EQ(got.octets, want.octets) << testing::PrintToString(std::string(data));
  ASSERT_EQ(got.wire_bytes, want.wire.size());
  ASSERT_EQ(got.header_bytes, want.header_bytes) << testing::PrintToString(std::string(data));
}

TEST(Normalizer, TableOfTheHeaderDotStuffed) {
  EXPECT_EQ(Stored("a\r\n.\r\n"), "a\r\n.\r\n");
  EXPECT_EQ(Stored(".\r\n"), ".\r\n");
  EXPECT_EQ(Stored("a\r\n..b\r\n.\r\n"), "a\r\n..b\r\n.\r\n");
  EXPECT_EQ(Stored("a\r\n.b\r\n.\r\n"), "a\r\nb\r\n.\r\n");
  EXPECT_EQ(Stored("a\nb\r\n.\r\n"), "a\r\nb\r\n.\r\n");
  EXPECT_EQ(Stored("a\n.\r\n\r\n.\r\n"), "a\r\n..\r\n\r\n.\r\n");
  EXPECT_EQ(Stored("a\r\n.\nb\r\n.\r\n"), "a\r\n\r\nb\r\n.\r\n");
  EXPECT_EQ(Stored("a\n.\nb\r\n.\r\n"), "a\r\n..\r\nb\r\n.\r\n");
  EXPECT_EQ(Stored("a\rb\r\n.\r\n"), "a\rb\r\n.\r\n");
  EXPECT_EQ(Stored("a\r\n.\rb\r\n.\r\n"), "a\r\n\rb\r\n.\r\n");
}

TEST(Normalizer, TableOfTheHeaderByLength) {
  EXPECT_EQ(StoredByLength("a"), "a\r\n.\r\n");
  EXPECT_EQ(StoredByLength("a\r"), "a\r\r\n.\r\n");
  EXPECT_EQ(StoredByLength(".\r\n"), "..\r\n.\r\n");
  EXPECT_EQ(StoredByLength("a\r\n.\r\nb\r\n"), "a\r\n..\r\nb\r\n.\r\n");
  EXPECT_EQ(StoredByLength(""), ".\r\n");
}

TEST(Normalizer, OnlyCrlfDotCrlfEnds) {
  for (const char* const data : {"a\n.\n", "a\n.\r\n", "a\r\n.\n", "a\r.\r\n", "a\r\n.\r\r\n",
                                 "a\r\n..\r\n", "a\r\n. \r\n", "\r.\r\n", "a.\r\n"}) {
    EXPECT_FALSE(Normalize(Framing::kDotStuffed, data).ended) << testing::PrintToString(data);
  }
}

TEST(Normalizer, StopsRightBehindTheEnd) {
  const Result result = Normalize(Framing::kDotStuffed, "a\r\n.\r\nQUIT\r\n");
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.consumed, 6u);
}

TEST(Normalizer, KeepsNulAndEightBit) {
  std::string all;
  for (int c = 0; c < 256; ++c) {
    if (c != '\n' && c != '.') all += static_cast<char>(c);
  }
  EXPECT_EQ(Stored(all + "\r\n.\r\n"), all + "\r\n.\r\n");
}

TEST(Normalizer, CountsOctetsWithoutStuffingAndTerminator) {
  const Result result = Normalize(Framing::kDotStuffed, "A: b\r\n\r\n..\r\n...c\nd\r\n.\r\n");
  EXPECT_EQ(result.wire, "A: b\r\n\r\n..\r\n...c\r\nd\r\n.\r\n");
  EXPECT_EQ(result.octets, 19u);
  EXPECT_EQ(result.wire_bytes, 24u);
  EXPECT_EQ(result.header_bytes, 8u);
}

TEST(Normalizer, WithoutEmptyLineAllIsHeader) {
  const Result result = Normalize(Framing::kDotStuffed, "A: b\r\nC: d\r\n.\r\n");
  EXPECT_EQ(result.header_bytes, 12u);
  EXPECT_EQ(Normalize(Framing::kDotStuffed, ".\r\n").header_bytes, 0u);
}

TEST(Normalizer, PrefixCountsInEverySize) {
  const std::string_view prefix = "Return-Path: <>\r\n";
  const Result result =
      Normalize(Framing::kDotStuffed, prefix, std::array<std::string_view, 1>{"A: b\r\n\r\n.\r\n"});
  EXPECT_EQ(result.wire, "Return-Path: <>\r\nA: b\r\n\r\n.\r\n");
  EXPECT_EQ(result.octets, prefix.size() + 8);
  EXPECT_EQ(result.header_bytes, prefix.size() + 8);
  // The first byte behind the prefix is still at a stuffed line start.
  EXPECT_EQ(
      Normalize(Framing::kDotStuffed, prefix, std::array<std::string_view, 1>{"..a\r\n.\r\n"}).wire,
      "Return-Path: <>\r\n..a\r\n.\r\n");
  EXPECT_EQ(Normalize(Framing::kDotStuffed, prefix, std::array<std::string_view, 1>{".\r\n"}).wire,
            "Return-Path: <>\r\n.\r\n");
}

// Every string over the bytes that matter, with every place to cut it in two, against the
// reference. The data is given an end behind it, so that most of them end in the middle too.
TEST(Normalizer, ExhaustiveShortStringsWithEverySplit) {
  constexpr std::string_view kAlphabet = "\r\n.a";
  constexpr size_t kLengthMax = 8;
  for (size_t length = 0; length <= kLengthMax; ++length) {
    for (size_t code = 0; code < (size_t{1} << (2 * length)); ++code) {
      std::string text(length, ' ');
      for (size_t i = 0; i < length; ++i) text[i] = kAlphabet[(code >> (2 * i)) & 3];

      const ReferenceResult by_length = ReferenceStore(text);
      const std::string data = text + "\r\n.\r\n";
      const std::optional<ReferenceResult> stuffed = ReferenceNormalize("", data);
      ASSERT_TRUE(stuffed.has_value());
      for (size_t cut = 0; cut <= length; ++cut) {
        const std::string_view view = text;
        const Result got =
            Normalize(Framing::kByLength, "", std::array{view.substr(0, cut), view.substr(cut)});
        ASSERT_NO_FATAL_FAILURE(ExpectSame(got, by_length, text));
      }
      for (size_t cut = 0; cut <= data.size(); ++cut) {
        const std::string_view view = data;
        const Result got =
            Normalize(Framing::kDotStuffed, "", std::array{view.substr(0, cut), view.substr(cut)});
        ASSERT_TRUE(got.ended) << testing::PrintToString(data);
        ASSERT_EQ(got.consumed, stuffed->consumed) << testing::PrintToString(data);
        ASSERT_NO_FATAL_FAILURE(ExpectSame(got, *stuffed, data));
      }
    }
  }
}

// Without an end of its own, a string ends exactly where the reference says, or not at all.
TEST(Normalizer, ExhaustiveEnds) {
  constexpr std::string_view kAlphabet = "\r\n.a";
  constexpr size_t kLength = 9;
  for (size_t code = 0; code < (size_t{1} << (2 * kLength)); ++code) {
    std::string data(kLength, ' ');
    for (size_t i = 0; i < kLength; ++i) data[i] = kAlphabet[(code >> (2 * i)) & 3];
    const std::optional<ReferenceResult> want = ReferenceNormalize("", data);
    const Result got = Normalize(Framing::kDotStuffed, data);
    ASSERT_EQ(got.ended, want.has_value()) << testing::PrintToString(data);
    if (!want) continue;
    ASSERT_EQ(got.consumed, want->consumed);
    ASSERT_NO_FATAL_FAILURE(ExpectSame(got, *want, data));
  }
}

// Long messages with odd places strewn in, cut at random: these reach the block copy and its edges.
TEST(Normalizer, RandomLongMessages) {
  std::mt19937_64 random(20240229);
  constexpr std::array<std::string_view, 12> kOdd = {"\n",
                                                     ".\n",
                                                     "\n.",
                                                     "\r",
                                                     "\r\n",
                                                     "\r\n.",
                                                     "\r\n..",
                                                     "\r\n.\r",
                                                     "\r\n.\n",
                                                     "\r\r\n",
                                                     std::string_view("\0", 1),
                                                     "\r\n\r\n"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const size_t size = random() % 3000;
    const size_t rarity = 1 + random() % 400;
    while (text.size() < size) {
      if (random() % rarity == 0) {
        text += kOdd[random() % kOdd.size()];
      } else if (random() % 64 == 0) {
        text += "\r\n";
      } else {
        text += static_cast<char>(random());
      }
    }
    text += "\r\n.\r\n";
    const std::string prefix = round % 2 == 0 ? "X: y\r\nZ: 1\r\n" : "";
    const std::optional<ReferenceResult> want = ReferenceNormalize(prefix, text);
    ASSERT_TRUE(want.has_value());
    std::vector<std::string_view> pieces;
    for (std::string_view rest = text; !rest.empty();) {
      const size_t piece = std::min<size_t>(rest.size(), 1 + random() % (round % 3 == 0 ? 7 : 900));
      pieces.push_back(rest.substr(0, piece));
      rest.remove_prefix(piece);
    }
    const Result got = Normalize(Framing::kDotStuffed, prefix, pieces);
    ASSERT_EQ(got.consumed, want->consumed);
    ASSERT_NO_FATAL_FAILURE(ExpectSame(got, *want, text));
    ASSERT_NO_FATAL_FAILURE(ExpectSame(Normalize(Framing::kByLength, prefix, pieces),
                                       ReferenceStore(prefix + text), text));
  }
}

// One odd byte pair at every place around the edges of the 64-byte blocks.
TEST(Normalizer, OddBytesAtEveryBlockOffset) {
  for (const std::string_view odd : {"\n", "\n.", "\r\n.", "\r\n..", "\r", "\r\n", "\r\n.\n"}) {
    for (size_t at = 0; at < 200; ++at) {
      std::string text = "\r\n" + std::string(at, 'x') + std::string(odd) + std::string(150, 'y');
      text += "\r\n.\r\n";
      const std::optional<ReferenceResult> want = ReferenceNormalize("", text);
      ASSERT_TRUE(want.has_value());
      ASSERT_NO_FATAL_FAILURE(ExpectSame(Normalize(Framing::kDotStuffed, text), *want, text));
    }
  }
}

// What is stored, read back as DATA, is stored the same: nothing is stuffed or normalised twice.
TEST(Normalizer, IsIdempotent) {
  const std::string once = Stored("\n.a\r\n..b\rc\n\r\n...\n.\r\nx\r\n.\r\n");
  EXPECT_EQ(Stored(once), once);
}

}  // namespace
}  // namespace poplar::wire
