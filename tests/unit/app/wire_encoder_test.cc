#include "core/app/wire_encoder.h"

#include <gtest/gtest.h>

namespace poplar::app {
namespace {

std::string Encoded(std::string_view text, size_t piece_bytes) {
  WireEncoder encoder;
  std::string wire;
  for (size_t at = 0; at < text.size(); at += piece_bytes)
    encoder.Feed(text.substr(at, piece_bytes), wire);
  encoder.Finish(wire);
  return wire;
}

struct Case {
  std::string_view text;
  std::string_view wire;
};

TEST(WireEncoder, MakesWhatDataCarriesWhereverTheInputIsCut) {
  using std::string_view_literals::operator""sv;
  const Case cases[] = {
      {"a\nb\n", "a\r\nb\r\n.\r\n"},
      {"a\r\nb\r\n", "a\r\nb\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {".\n..\n.x\n", "..\r\n...\r\n..x\r\n.\r\n"},
      {"a.b\r\n.\r\nrest", "a.b\r\n..\r\nrest\r\n.\r\n"},
      {"\n\n", "\r\n\r\n.\r\n"},
      {"a\rb\r\r\n", "a\rb\r\r\n.\r\n"},
      {"a\r.b\n", "a\r.b\r\n.\r\n"},
      {"a\r", "a\r\r\n.\r\n"},
      {"\0\xff\n"sv, "\0\xff\r\n.\r\n"sv},
      {"", ".\r\n"},
  };
  for (const Case& test : cases)
    for (const size_t piece_bytes : {1, 2, 3, 100})
      EXPECT_EQ(Encoded(test.text, piece_bytes), test.wire) << test.text << " by " << piece_bytes;
}

}  // namespace
}  // namespace poplar::app
