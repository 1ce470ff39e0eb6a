#include "core/app/transfer/pop3_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/app/transfer/scripted_peer.h"

namespace poplar::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

// Greeting, no STLS, USER, PASS, CAPA without anything.
constexpr std::string_view kLogIn =
    "+OK hello\r\n-ERR what?\r\n+OK\r\n+OK\r\n+OK\r\nPIPELINING\r\n.\r\n";
constexpr std::string_view kNoUidl = "-ERR what?\r\n";

// A maildrop on another server that says so much.
class Maildrop {
 public:
  explicit Maildrop(const std::string& says)
      : peer_(ScriptedPeer::OnTcp(), std::string(kLogIn) + says) {
    Pop3Server server;
    server.host = "127.0.0.1";
    server.port = peer_.port();
    server.allow_cleartext = true;
    auto client = Pop3Client::LogIn(server, "alice", base::Secret("secret"));
    if (client.ok()) client_ = *std::move(client);
  }

  StatusOr<std::unique_ptr<MailboxSource>> Open() {
    if (client_ == nullptr) return MakeStatus(StatusCode::kInternal, "it did not log in");
    return OpenPop3Source(*client_);
  }

 private:
  ScriptedPeer peer_;
  std::unique_ptr<Pop3Client> client_;
};

std::string Listing(const std::vector<std::string>& lines) {
  std::string text = "+OK\r\n";
  for (const std::string& line : lines) text += line + "\r\n";
  return text + ".\r\n";
}

std::string Mail(const std::string& subject) {
  return Listing({"Subject: " + subject, "Date: Thu, 3 Jun 2010 12:34:56 +0000", "", "x"});
}

std::vector<std::string> UidlsOf(const std::string& says) {
  Maildrop maildrop(says);
  const auto source = maildrop.Open();
  if (!source.ok()) return {std::string(Message(source.status()))};
  std::vector<std::string> uidls;
  for (const SourceMessage& message : (*source)->messages()) uidls.push_back(message.uidl);
  return uidls;
}

std::string ReadAll(ByteSource& source) {
  std::string text;
  std::array<char, 7> piece;
  for (size_t got = 1; got > 0;) {
    const auto read = source.Read(piece);
    if (!read.ok()) return "error: " + std::string(Message(read.status()));
    got = *read;
    text.append(piece.data(), got);
  }
  return text;
}

TEST(Pop3Source, WithoutUidlsMessagesAreToldByWhatTheySay) {
  const std::string two = Listing({"1 70", "2 70"}) + std::string(kNoUidl);
  const auto first = UidlsOf(two + Mail("a") + Mail("b"));
  ASSERT_THAT(first, SizeIs(2));
  EXPECT_NE(first[0], first[1]);
  EXPECT_EQ(UidlsOf(two + Mail("a") + Mail("b")), first);
  // Others of the same length stand in their places now; one has moved up.
  const auto later = UidlsOf(two + Mail("b") + Mail("c"));
  ASSERT_THAT(later, SizeIs(2));
  EXPECT_EQ(later[0], first[1]);
  EXPECT_THAT(first, Not(testing::Contains(later[1])));
  // Twice the same mail is two messages, at every run.
  const auto twice = UidlsOf(two + Mail("a") + Mail("a"));
  ASSERT_THAT(twice, SizeIs(2));
  EXPECT_EQ(twice[0], first[0]);
  EXPECT_NE(twice[1], twice[0]);
  EXPECT_EQ(UidlsOf(two + Mail("a") + Mail("a")), twice);
}

TEST(Pop3Source, AUidlThatSeveralBearIsNobodys) {
  const std::string listing = Listing({"1 70", "2 70", "3 70"});
  const auto first =
      UidlsOf(listing + Listing({"1 same", "2 same", "3 own"}) + Mail("a") + Mail("b"));
  ASSERT_THAT(first, SizeIs(3));
  EXPECT_NE(first[0], "same");
  EXPECT_NE(first[1], "same");
  EXPECT_EQ(first[2], "own");
  const auto later =
      UidlsOf(listing + Listing({"1 same", "2 same", "3 own"}) + Mail("b") + Mail("c"));
  ASSERT_THAT(later, SizeIs(3));
  EXPECT_EQ(later[0], first[1]);
  EXPECT_NE(later[1], first[0]);
}

TEST(Pop3Source, NamedByItsBytesAMessageIsFetchedAgain) {
  Maildrop maildrop(Listing({"1 70", "2 70"}) + Listing({"1 own"}) + Mail("b") + Mail("b"));
  const auto source = maildrop.Open();
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->messages()[0].fate, UidlFate::kKept);
  EXPECT_EQ((*source)->messages()[1].fate, UidlFate::kUnknown);
  EXPECT_EQ((*source)->messages()[1].number, 2U);
  EXPECT_THAT((*source)->notes(), ElementsAre(HasSubstr("1 message has no UIDL")));
  (*source)->Expect({1});
  const auto body = (*source)->Open(1);
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ((*source)->messages()[1].received_us, 1'275'568'496'000'000);
  EXPECT_THAT(ReadAll(**body), HasSubstr("Subject: b\r\nDate: "));
}

TEST(Pop3Source, WhatCouldNotBeReadToBeNamedIsNotImported) {
  Maildrop maildrop(Listing({"1 70", "2 70", "3 70"}) + std::string(kNoUidl) + Mail("a") +
                    "-ERR damaged\r\n" + Mail("c") + Mail("a") + Mail("c"));
  const auto source = maildrop.Open();
  ASSERT_TRUE(source.ok()) << source.status();
  (*source)->Expect({0, 1, 2});
  const auto a = (*source)->Open(0);
  ASSERT_TRUE(a.ok()) << a.status();
  EXPECT_THAT(ReadAll(**a), HasSubstr("Subject: a"));
  EXPECT_EQ((*source)->Open(1).status().code(), StatusCode::kDataLoss);
  const auto c = (*source)->Open(2);
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_THAT(ReadAll(**c), HasSubstr("Subject: c"));
}

TEST(Pop3Source, AServerThatGoesAwayMeanwhileIsAnError) {
  Maildrop maildrop(Listing({"1 70", "2 70"}) + std::string(kNoUidl) + Mail("a"));
  EXPECT_EQ(maildrop.Open().status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace poplar::app
