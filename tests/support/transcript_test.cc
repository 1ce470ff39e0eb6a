#include "tests/support/transcript.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poplar::test {
namespace {

using ::testing::HasSubstr;
using Kind = TranscriptStep::Kind;

// Says back what it is sent, and what `say` tells it.
class Echo : public TranscriptPeer {
 public:
  std::string Directive(std::string_view key, std::string_view value,
                        std::string& output) override {
    if (key != "say") return "unknown directive";
    output += std::string(value) + "\r\n";
    return "";
  }
  void Start(std::string& output) override { output += "hello\r\n"; }
  void Receive(std::string_view packet, std::string& output) override { output += packet; }
};

std::string Converse(std::string_view text) {
  const StatusOr<Transcript> transcript = ParseTranscript("t", text);
  if (!transcript.ok()) return std::string(Message(transcript.status()));
  Echo peer;
  return RunTranscript(*transcript, peer);
}

TEST(Transcript, StepsBecomePacketsAndExpectations) {
  const StatusOr<Transcript> parsed = ParseTranscript("t",
                                                      "# comment\n"
                                                      "\n"
                                                      "@ message 120 uidl\\x20one\n"
                                                      "@ flag\n"
                                                      "S: hello\n"
                                                      "C: a\\r\\n\\0\\x7F\\\\\\t\n"
                                                      "C+ b\n"
                                                      "B+ \\{3 \\x41}c\n"
                                                      "S~ \\+OK.*\n"
                                                      "C:\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const std::vector<TranscriptStep>& steps = parsed->steps;
  ASSERT_EQ(steps.size(), 6u);
  EXPECT_EQ(steps[0].kind, Kind::kDirective);
  EXPECT_EQ(steps[0].text, "message");
  EXPECT_EQ(steps[0].value, "120 uidl one");
  EXPECT_EQ(steps[1].text, "flag");
  EXPECT_EQ(steps[1].value, "");
  EXPECT_EQ(steps[2].kind, Kind::kExpectLine);
  EXPECT_EQ(steps[3].kind, Kind::kPacket);
  EXPECT_EQ(steps[3].line, 6);
  EXPECT_EQ(steps[3].text, std::string("a\r\n\0\x7F\\\t\r\nb\r\nAAAc", 16));
  EXPECT_EQ(steps[4].kind, Kind::kExpectPattern);
  EXPECT_EQ(steps[4].text, "\\+OK.*");
  EXPECT_EQ(steps[5].text, "\r\n");
}

TEST(Transcript, FaultsNameFileAndLine) {
  EXPECT_EQ(Converse("S: hello\nX: what\n"),
            "t:2: a line begins with one of # @ C: C+ B: B+ S: S~");
  EXPECT_EQ(Converse("C+ first\n"), "t:1: no packet stands before this one");
  EXPECT_EQ(Converse("C:nothing\n"), "t:1: a blank must follow the mark");
  for (const char* escape : {"\\", "\\q", "\\x1", "\\xZZ", "\\{3A}", "\\{3 A", "\\{x A}"}) {
    EXPECT_EQ(Converse(std::string("C: ") + escape + "\n"), "t:1: an escape is not understood");
  }
  EXPECT_EQ(Converse("@ what\n"), "t:1: unknown directive");
}

TEST(Transcript, ConversationsAreComparedLineByLine) {
  EXPECT_EQ(Converse("S: hello\nC: one\nC+ two\nS: one\nS~ t.o\n@ say x y\nS: x y\n"), "");
  EXPECT_THAT(Converse("S: goodbye\n"),
              HasSubstr("t:1: expected `goodbye`, but the server says `he"));
  EXPECT_THAT(Converse("S: hello\nC: one\nS~ on\n"), HasSubstr("t:3: expected `on`"));
  EXPECT_THAT(Converse("S: hello\nS: more\n"),
              HasSubstr("t:2: expected `more`, but the server says no"));
  EXPECT_THAT(Converse("S: hello\nB: part\nS: part\n"), HasSubstr("says only `part`"));
}

TEST(Transcript, NothingSaidGoesUnnoticed) {
  EXPECT_THAT(Converse("C: too early\n"), HasSubstr("t:1: before this is sent"));
  EXPECT_THAT(Converse("S: hello\nC: one\\x01\n"), HasSubstr("t:2: after this, the server says"));
  EXPECT_THAT(Converse("S: hello\nC: one\\x01\n"), HasSubstr("`one\\x01\\x0d\\x0a`"));
  EXPECT_EQ(Converse("# only words\n"), "t: has no step");
}

}  // namespace
}  // namespace poplar::test
