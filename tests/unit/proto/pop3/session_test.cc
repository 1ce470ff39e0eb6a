// What transcripts cannot say: the contract between the session and its driver.

#include "core/proto/pop3/session.h"

#include <gtest/gtest.h>

#include <string>

#include "core/proto/pop3/replies.h"
#include "tests/support/pop3_peer.h"

namespace poplar::pop3 {
namespace {

using Kind = Action::Kind;

class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    maildrop_.AddOctets(20, "one");
    maildrop_.AddOctets(30, "two");
    std::string_view none;
    EXPECT_EQ(session_.Next(none, out_).kind, Kind::kNeedInput);
    out_.Clear();
  }

  // Sends `text` and returns what the session wants; the input that is left is in input_.
  Action Send(std::string_view text) {
    input_ = text;
    return session_.Next(input_, out_);
  }
  std::string Said() {
    std::string said(out_.view());
    out_.Clear();
    return said;
  }
  void LogIn() {
    ASSERT_EQ(Send("USER mrose\r\nPASS secret\r\n").kind, Kind::kVerifyPassword);
    session_.LoginDone(LoginOutcome::kOk, &maildrop_, out_);
    out_.Clear();
  }

  SessionOptions options_{
      .hostname = "h", .stls_offered = true, .login = {.user = true, .sasl = {"PLAIN", "LOGIN"}}};
  SessionMetrics metrics_;
  test::MemoryMaildrop maildrop_;
  Session session_{options_, metrics_, {.clear_text_login_allowed = true}};
  base::ByteBuffer out_;
  std::string_view input_;
};

TEST_F(SessionTest, GreetsOnceWithoutInput) {
  Session fresh(options_, metrics_, {});
  std::string_view none;
  EXPECT_EQ(fresh.Next(none, out_).kind, Kind::kNeedInput);
  EXPECT_EQ(Said(), "+OK POP3 service of h is ready\r\n");
  EXPECT_EQ(fresh.Next(none, out_).kind, Kind::kNeedInput);
  EXPECT_EQ(Said(), "");
}

TEST_F(SessionTest, VerifyPasswordCarriesBothAndLeavesTheRestForLater) {
  const Action action = Send("USER mrose\r\nPASS  pass word \r\nSTAT\r\n");
  ASSERT_EQ(action.kind, Kind::kVerifyPassword);
  EXPECT_EQ(action.name, "mrose");
  EXPECT_EQ(action.secret->Reveal(), " pass word ");
  EXPECT_EQ(input_, "STAT\r\n");
  session_.LoginDone(LoginOutcome::kOk, &maildrop_, out_);
  EXPECT_TRUE(session_.logged_in());
  EXPECT_EQ(session_.Next(input_, out_).kind, Kind::kNeedInput);
  EXPECT_EQ(Said(), "+OK Send PASS\r\n+OK 2 messages (50 octets)\r\n+OK 2 50\r\n");
}

TEST_F(SessionTest, SaslTellsNoInitialResponseFromAnEmptyOne) {
  const Action without = Send("AUTH plain\r\n");
  ASSERT_EQ(without.kind, Kind::kSaslStart);
  EXPECT_EQ(without.name, "PLAIN");
  EXPECT_FALSE(without.secret.has_value());
  session_.SaslChallenge(std::string_view("a\0b", 3), out_);
  EXPECT_EQ(Said(), "+ YQBi\r\n");
  const Action response = Send("AGEAYg==\r\n");
  ASSERT_EQ(response.kind, Kind::kSaslRespond);
  EXPECT_EQ(response.secret->Reveal(), std::string_view("\0a\0b", 4));
  session_.LoginDone(LoginOutcome::kTemporary, nullptr, out_);

  const Action empty = Send("AUTH PLAIN =\r\n");
  ASSERT_EQ(empty.kind, Kind::kSaslStart);
  ASSERT_TRUE(empty.secret.has_value());
  EXPECT_TRUE(empty.secret->empty());
}

TEST_F(SessionTest, SendMessageTellsRetrFromTop) {
  LogIn();
  Action action = Send("RETR 2\r\nTOP 1 0\r\nNOOP\r\n");
  ASSERT_EQ(action.kind, Kind::kSendMessage);
  EXPECT_EQ(action.message, MessageIndex(1));
  EXPECT_FALSE(action.top_lines.has_value());
  session_.BodyReady(out_);
  session_.BodySent();
  EXPECT_EQ(Said(), "+OK 30 octets\r\n");
  action = session_.Next(input_, out_);
  ASSERT_EQ(action.kind, Kind::kSendMessage);
  EXPECT_EQ(action.message, MessageIndex(0));
  EXPECT_EQ(action.top_lines, 0u);
  session_.BodyFailed(BodyFailure::kGone, out_);
  EXPECT_EQ(session_.Next(input_, out_).kind, Kind::kNeedInput);
  EXPECT_EQ(Said(), std::string(reply::kBodyGone) + "+OK\r\n");
}

TEST_F(SessionTest, FlushComesBeforeAnythingMoreIsDone) {
  LogIn();
  options_.out_bytes_soft_max = 10;
  ASSERT_EQ(Send("NOOP\r\nNOOP\r\nNOOP\r\nRETR 1\r\n").kind, Kind::kFlush);
  EXPECT_EQ(input_, "NOOP\r\nRETR 1\r\n");
  EXPECT_EQ(session_.Next(input_, out_).kind, Kind::kFlush);  // Not flushed: nothing happens.
  EXPECT_EQ(Said(), "+OK\r\n+OK\r\n");
  ASSERT_EQ(session_.Next(input_, out_).kind, Kind::kSendMessage);
  EXPECT_EQ(Said(), "+OK\r\n");
}

TEST_F(SessionTest, QuitAsksForACommitEvenOfNothing) {
  LogIn();
  const Action action = Send("QUIT\r\nNOOP\r\n");
  ASSERT_EQ(action.kind, Kind::kCommit);
  EXPECT_TRUE(action.deleted.empty());
  EXPECT_EQ(Said(), "");
  session_.CommitDone(CommitOutcome::kDone, out_);
  EXPECT_EQ(Said(), "+OK Goodbye\r\n");
  for (int i = 0; i < 2; ++i) {
    const Action close = session_.Next(input_, out_);
    EXPECT_EQ(close.kind, Kind::kClose);
    EXPECT_EQ(close.close_reason, CloseReason::kQuit);
  }
  EXPECT_EQ(Said(), "");
}

TEST_F(SessionTest, StlsTakesAllInputAway) {
  ASSERT_EQ(Send("USER x\r\nSTLS\r\nUSER y\r\nPASS").kind, Kind::kStartTls);
  EXPECT_TRUE(input_.empty());
  EXPECT_EQ(session_.kept_bytes(), 0u);
  EXPECT_EQ(Said(), "+OK Send PASS\r\n+OK Begin TLS\r\n");
  session_.TlsStarted();
  EXPECT_EQ(Send("PASS secret\r\n").kind, Kind::kNeedInput);
  EXPECT_EQ(Said(), reply::kUserFirst);
}

TEST_F(SessionTest, EndSpeaksWhereAReplyIsAllowed) {
  // To a command whose result is owed.
  ASSERT_EQ(Send("USER mrose\r\nPASS secret\r\nSTAT\r\n").kind, Kind::kVerifyPassword);
  out_.Clear();
  session_.End(EndReason::kDrain, out_);
  EXPECT_EQ(Said(), reply::kShuttingDown);
  const Action close = session_.Next(input_, out_);
  EXPECT_EQ(close.kind, Kind::kClose);
  EXPECT_EQ(close.close_reason, CloseReason::kEnded);
  // Once.
  session_.End(EndReason::kKicked, out_);
  EXPECT_EQ(Said(), "");
}

TEST_F(SessionTest, EndSpeaksInsteadOfABody) {
  LogIn();
  ASSERT_EQ(Send("RETR 1\r\n").kind, Kind::kSendMessage);
  session_.End(EndReason::kLeaseLost, out_);
  EXPECT_EQ(Said(), reply::kLeaseLost);
}

TEST_F(SessionTest, EndIsSilentBehindABodysHead) {
  LogIn();
  ASSERT_EQ(Send("RETR 1\r\nNOOP\r\n").kind, Kind::kSendMessage);
  session_.BodyReady(out_);
  out_.Clear();
  session_.End(EndReason::kKicked, out_);
  EXPECT_EQ(Said(), "");
  EXPECT_EQ(session_.Next(input_, out_).kind, Kind::kClose);
  EXPECT_EQ(Said(), "");
}

TEST_F(SessionTest, EndSpeaksAgainWhenTheBodyIsThrough) {
  LogIn();
  ASSERT_EQ(Send("RETR 1\r\n").kind, Kind::kSendMessage);
  session_.BodyReady(out_);
  session_.BodySent();
  out_.Clear();
  session_.End(EndReason::kSessionAge, out_);
  EXPECT_EQ(Said(), reply::kSessionTooOld);
}

TEST_F(SessionTest, EndIsSilentInsideAListing) {
  LogIn();
  options_.out_bytes_soft_max = 1;
  ASSERT_EQ(Send("LIST\r\n").kind, Kind::kFlush);
  EXPECT_EQ(Said(), "+OK 2 messages (50 octets)\r\n");
  session_.End(EndReason::kKicked, out_);
  EXPECT_EQ(Said(), "");
  EXPECT_EQ(session_.Next(input_, out_).kind, Kind::kClose);
}

TEST_F(SessionTest, ADrainEndsBehindTheListingAndBeforeAnotherCommand) {
  LogIn();
  options_.out_bytes_soft_max = 1;
  ASSERT_EQ(Send("LIST\r\nUIDL\r\n").kind, Kind::kFlush);
  std::string said = Said();
  Action action;
  do {
    session_.End(EndReason::kDrain, out_);
    action = session_.Next(input_, out_);
    said += Said();
  } while (action.kind == Kind::kFlush);
  EXPECT_EQ(action.kind, Kind::kClose);
  EXPECT_EQ(action.close_reason, CloseReason::kEnded);
  EXPECT_EQ(said, "+OK 2 messages (50 octets)\r\n1 20\r\n2 30\r\n.\r\n" +
                      std::string(reply::kShuttingDown));
}

TEST_F(SessionTest, ADrainThatWaitsForAListingIsOverrunByAKick) {
  LogIn();
  options_.out_bytes_soft_max = 1;
  ASSERT_EQ(Send("LIST\r\n").kind, Kind::kFlush);
  out_.Clear();
  session_.End(EndReason::kDrain, out_);
  session_.End(EndReason::kKicked, out_);
  EXPECT_EQ(session_.Next(input_, out_).kind, Kind::kClose);
  EXPECT_EQ(Said(), "");
}

TEST_F(SessionTest, EndIsSilentDuringAHandshakeAndWhenIdle) {
  ASSERT_EQ(Send("STLS\r\n").kind, Kind::kStartTls);
  out_.Clear();
  session_.End(EndReason::kLoginTimeout, out_);
  EXPECT_EQ(Said(), "");

  Session idle(options_, metrics_, {});
  std::string_view none;
  EXPECT_EQ(idle.Next(none, out_).kind, Kind::kNeedInput);
  out_.Clear();
  idle.End(EndReason::kIdle, out_);
  EXPECT_EQ(Said(), "");
  EXPECT_EQ(idle.Next(none, out_).kind, Kind::kClose);
}

TEST_F(SessionTest, ACommitRunsToItsEnd) {
  LogIn();
  EXPECT_EQ(Send("DELE 2\r\n").kind, Kind::kNeedInput);
  const Action action = Send("QUIT\r\n");
  ASSERT_EQ(action.kind, Kind::kCommit);
  ASSERT_EQ(action.deleted, std::vector<MessageIndex>{MessageIndex(1)});
  out_.Clear();
  session_.End(EndReason::kDrain, out_);
  EXPECT_EQ(Said(), "");
  session_.CommitDone(CommitOutcome::kUnknown, out_);
  EXPECT_EQ(Said(), reply::kCommitUnknown);
  EXPECT_EQ(session_.Next(input_, out_).close_reason, CloseReason::kQuit);
}

TEST_F(SessionTest, ACancelledExchangeLeavesNothingBehind) {
  ASSERT_EQ(Send("AUTH LOGIN\r\n").kind, Kind::kSaslStart);
  session_.SaslChallenge("Username:", out_);
  ASSERT_EQ(Send("bXJvc2U=\r\n").kind, Kind::kSaslRespond);
  session_.SaslChallenge("Password:", out_);
  out_.Clear();
  EXPECT_EQ(Send("*\r\nNOOP\r\n").kind, Kind::kNeedInput);
  EXPECT_EQ(Said(), std::string(reply::kSaslCancelled) + std::string(reply::kLogInFirst));
}

using SessionDeathTest = SessionTest;

TEST_F(SessionDeathTest, ResultsThatNobodyAskedForAreFaults) {
  EXPECT_DEATH(session_.BodyReady(out_), "kBody");
  EXPECT_DEATH(session_.TlsStarted(), "kTls");
  EXPECT_DEATH(session_.CommitDone(CommitOutcome::kDone, out_), "kCommit");
  EXPECT_DEATH(session_.LoginDone(LoginOutcome::kOk, &maildrop_, out_), "kLogin");
  EXPECT_DEATH(session_.SaslChallenge("", out_), "kLogin");
  ASSERT_EQ(Send("USER x\r\nPASS y\r\n").kind, Kind::kVerifyPassword);
  EXPECT_DEATH(Send("NOOP\r\n"), "kNothing");
  EXPECT_DEATH(session_.SaslChallenge("", out_), "sasl_mechanism_");
  EXPECT_DEATH(session_.LoginDone(LoginOutcome::kOk, nullptr, out_), "maildrop");
}

}  // namespace
}  // namespace poplar::pop3
