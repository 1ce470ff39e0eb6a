#include "core/app/transfer/mail_writers.h"

#include <gtest/gtest.h>

namespace poplar::app {
namespace {

template <class Writer>
std::string Written(std::string_view text, size_t piece) {
  Writer writer;
  std::string out;
  for (size_t at = 0; at < text.size(); at += piece) writer.Feed(text.substr(at, piece), out);
  writer.Finish(out);
  return out;
}

// What a reader of LF line ends makes of it.
std::string WithCrlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' && !out.ends_with('\r')) out += '\r';
    out += c;
  }
  return out;
}

TEST(LineEndConverter, GivesTheSameBytesBack) {
  constexpr std::string_view kText = "a\r\n\r\nb\rc\r\r\n\r\r\r\nd\r\r\r\r\n\r";
  for (const size_t piece : {1U, 2U, 3U, 100U}) {
    const std::string written = Written<LineEndConverter>(kText, piece);
    EXPECT_EQ(written, "a\n\nb\rc\r\r\n\r\r\r\nd\r\r\r\r\n\r");
    EXPECT_EQ(WithCrlf(written), kText);
  }
}

TEST(FromQuoter, QuotesWhatAnMboxWouldTakeForAMessage) {
  for (const size_t piece : {1U, 2U, 5U, 100U}) {
    EXPECT_EQ(
        Written<FromQuoter>("From a\n>From b\n>>From c\nFromx\n From\n>\n>Fr\nxFrom \nFrom", piece),
        ">From a\n>>From b\n>>>From c\nFromx\n From\n>\n>Fr\nxFrom \nFrom");
  }
}

}  // namespace
}  // namespace poplar::app
