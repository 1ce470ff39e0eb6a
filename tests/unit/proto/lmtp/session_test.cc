#include "core/proto/lmtp/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/proto/lmtp/replies.h"
#include "tests/unit/proto/lmtp/scripted_driver.h"

namespace poplar::lmtp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SessionOptions Options() {
  SessionOptions options;
  options.hostname = "pop.example";
  options.message_octets_max = 1000;
  return options;
}

// What a session says to `input` after the greeting and LHLO.
class SessionTest : public testing::Test {
 protected:
  std::string Say(std::string_view input) {
    if (driver_->output.empty()) {
      driver_->Start();
      driver_->Receive("LHLO mx.example\r\n");
    }
    const size_t before = driver_->output.size();
    driver_->Receive(input);
    return driver_->output.substr(before);
  }
  void Restart(const SessionOptions& options) {
    driver_ = std::make_unique<ScriptedDriver>(options);
  }

  std::unique_ptr<ScriptedDriver> driver_ = std::make_unique<ScriptedDriver>(Options());
};

TEST_F(SessionTest, GreetsAndListsItsExtensions) {
  driver_->Start();
  EXPECT_EQ(driver_->output, "220 pop.example Poplar LMTP ready\r\n");
  EXPECT_EQ(Say("LHLO mx.example\r\n"),
            "250-pop.example\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-SIZE 1000\r\n"
            "250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n");
}

TEST_F(SessionTest, ControlBytesAreRefused) {
  for (const std::string_view line :
       {std::string_view("NO\0OP\r\n", 7), std::string_view("NOOP\x01\r\n"),
        std::string_view("NOOP \x7f\r\n"), std::string_view("NOOP\ta\r\n"),
        std::string_view("MAIL FROM:<a\rb@c>\r\n"), std::string_view("NOOP\r\r\n")}) {
    EXPECT_EQ(Say(line), reply::kControlByte) << testing::PrintToString(std::string(line));
  }
}

TEST_F(SessionTest, OverlongLineIsAnsweredOnceAndNoPartOfItRuns) {
  const std::string longest = "NOOP " + std::string(kLmtpCommandLineBytesMax - 7, 'x') + "\r\n";
  ASSERT_EQ(longest.size(), kLmtpCommandLineBytesMax);
  EXPECT_EQ(Say(longest), reply::kOk);
  std::string too_long = "NOOP " + std::string(kLmtpCommandLineBytesMax - 5, ' ');
  for (int i = 0; i < 1000; ++i) too_long += "QUIT ";
  EXPECT_EQ(Say(too_long + "\r\nNOOP\r\n"), std::string(reply::kLineTooLong) + "250 2.0.0 OK\r\n");
  EXPECT_EQ(driver_->metrics().lines_too_long.Read(), 1u);
}

TEST_F(SessionTest, BadCommandsInARowEndTheSession) {
  SessionOptions options = Options();
  options.bad_commands_max = 3;
  Restart(options);
  Say("X\r\nY\r\nNOOP\r\nX\r\nY\r\n");
  EXPECT_FALSE(driver_->closed);
  EXPECT_THAT(Say("Z\r\nNOOP\r\n"),
              std::string(reply::kUnknownCommand) + std::string(reply::kTooManyBadCommands));
  EXPECT_EQ(driver_->closed, CloseReason::kBadCommands);
  EXPECT_EQ(driver_->metrics().closed_for_bad_commands.Read(), 1u);
}

TEST_F(SessionTest, AnHttpClientIsNotAnsweredForever) {
  std::string request = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 100; ++i) request += "Header-" + std::to_string(i) + ": value\r\n";
  Say(request);
  EXPECT_EQ(driver_->closed, CloseReason::kBadCommands);
}

TEST_F(SessionTest, RecipientOutcomesBecomeReplies) {
  const std::vector<std::pair<RecipientOutcome, std::string_view>> table = {
      {RecipientOutcome::kOk, "250 2.1.5"},
      {RecipientOutcome::kUnknown, "550 5.1.1"},
      {RecipientOutcome::kDisabled, "550 5.2.1"},
      {RecipientOutcome::kOverQuota, "452 4.2.2 This mailbox"},
      {RecipientOutcome::kOverTenantQuota, "452 4.2.2 The quota of all"},
      {RecipientOutcome::kLimited, "451 4.7.1"},
      {RecipientOutcome::kDirectoryDown, "451 4.4.3"},
      {RecipientOutcome::kTemporary, "451 4.3.0"},
  };
  ASSERT_EQ(table.size(), kRecipientOutcomes);
  Say("MAIL FROM:<>\r\n");
  for (const auto& [outcome, code] : table) {
    driver_->resolve = [verdict = outcome](const Recipient&) { return verdict; };
    EXPECT_TRUE(Say("RCPT TO:<a@b>\r\n").starts_with(code));
    EXPECT_EQ(driver_->metrics().recipients[static_cast<size_t>(outcome)].Read(), 1u);
  }
}

TEST_F(SessionTest, RecipientsComePlainWithoutDetailAndAsWritten) {
  std::vector<Recipient> asked;
  driver_->resolve = [&](const Recipient& recipient) {
    asked.push_back(recipient);
    return RecipientOutcome::kOk;
  };
  Say("MAIL FROM:<>\r\nRCPT TO:<@relay:\"user+box\"@b>\r\nRCPT TO:<Postmaster>\r\n");
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].address, "user+box@b");
  EXPECT_EQ(asked[0].base_address, "user@b");
  EXPECT_EQ(asked[0].original, "@relay:\"user+box\"@b");
  EXPECT_EQ(asked[1].address, "Postmaster");
  EXPECT_EQ(asked[1].base_address, "Postmaster");
}

TEST_F(SessionTest, SubaddressDelimiterIsConfiguration) {
  SessionOptions options = Options();
  options.subaddress_delimiter = '-';
  Restart(options);
  std::string base;
  driver_->resolve = [&](const Recipient& recipient) {
    base = recipient.base_address;
    return RecipientOutcome::kOk;
  };
  Say("MAIL FROM:<>\r\nRCPT TO:<a+b-c@d>\r\n");
  EXPECT_EQ(base, "a+b@d");
}

TEST_F(SessionTest, RecipientsHaveALimit) {
  SessionOptions options = Options();
  options.recipients_max = 2;
  Restart(options);
  EXPECT_EQ(Say("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n"),
            std::string(reply::kSenderOk) + std::string(reply::kRecipientOk) +
                std::string(reply::kRecipientOk) + std::string(reply::kTooManyRecipients));
  EXPECT_EQ(driver_->metrics().recipients_over_max.Read(), 1u);
  // Those inside go on.
  EXPECT_THAT(FinalReplies(Say("DATA\r\nx\r\n.\r\n")),
              ElementsAre(HasSubstr("354"), HasSubstr("250 2.1.5"), HasSubstr("250 2.1.5")));
}

TEST_F(SessionTest, RefusedRecipientsDoNotCountTowardsTheLimit) {
  SessionOptions options = Options();
  options.recipients_max = 1;
  Restart(options);
  driver_->resolve = [](const Recipient& recipient) {
    return recipient.address == "x@y" ? RecipientOutcome::kUnknown : RecipientOutcome::kOk;
  };
  EXPECT_THAT(FinalReplies(Say("MAIL FROM:<>\r\nRCPT TO:<x@y>\r\nRCPT TO:<a@b>\r\n")),
              ElementsAre(HasSubstr("250"), HasSubstr("550"), HasSubstr("250")));
}

TEST_F(SessionTest, DrainEndsAnIdleSessionAtOnce) {
  Say("NOOP\r\n");
  driver_->End(EndReason::kDrain);
  EXPECT_EQ(Say(""), reply::kShuttingDown);
  EXPECT_EQ(driver_->closed, CloseReason::kDrain);
}

TEST_F(SessionTest, DrainBeforeTheGreetingIsAllThatIsSaid) {
  driver_->End(EndReason::kDrain);
  driver_->Start();
  EXPECT_EQ(driver_->output, reply::kShuttingDown);
}

TEST_F(SessionTest, DrainBetweenCommandsOfATransaction) {
  Say("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n");
  driver_->End(EndReason::kDrain);
  EXPECT_EQ(Say("DATA\r\n"), reply::kShuttingDown);
  EXPECT_EQ(driver_->begun, 0u);
}

TEST_F(SessionTest, IdleEndsWithItsOwnReply) {
  Say("NOOP\r\n");
  driver_->End(EndReason::kIdle);
  driver_->End(EndReason::kDrain);
  EXPECT_EQ(Say(""), reply::kIdle);
  EXPECT_EQ(driver_->closed, CloseReason::kIdle);
}

TEST_F(SessionTest, OutputIsFlushedAtItsLimit) {
  SessionOptions options = Options();
  options.out_bytes_soft_max = 1000;
  Restart(options);
  std::string noops;
  for (int i = 0; i < 10'000; ++i) noops += "NOOP\r\n";
  const std::string said = Say(noops);
  EXPECT_EQ(said.size(), 10'000 * reply::kOk.size());
  EXPECT_GT(driver_->flushes, 100u);
  EXPECT_LT(driver_->largest_out_bytes, 1000u + 512u);
}

TEST_F(SessionTest, RecipientRepliesAreFlushedAtTheLimitToo) {
  SessionOptions options = Options();
  options.out_bytes_soft_max = 1000;
  Restart(options);
  std::string input = "MAIL FROM:<>\r\n";
  for (int i = 0; i < 1000; ++i) input += "RCPT TO:<a@b>\r\n";
  Say(input + "DATA\r\n.\r\n");
  ASSERT_EQ(driver_->committed.size(), 1u);
  EXPECT_EQ(driver_->committed[0].envelope.recipients.size(), 1000u);
  EXPECT_LT(driver_->largest_out_bytes, 1000u + 512u);
}

TEST_F(SessionTest, CountsCommandsByVerb) {
  Say("NOOP\r\nNOOP\r\nBAD\r\n");
  EXPECT_EQ(driver_->metrics().commands[static_cast<size_t>(Verb::kNoop)].Read(), 2u);
  EXPECT_EQ(driver_->metrics().commands[static_cast<size_t>(Verb::kUnknown)].Read(), 1u);
  base::MetricRegistry registry;
  driver_->metrics().Register(registry);
  EXPECT_GT(registry.Entries().size(), kVerbs + kRecipientOutcomes + kDeliveryOutcomes);
}

TEST_F(SessionTest, NothingIsRunBehindQuit) {
  EXPECT_EQ(Say("QUIT\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n"), reply::kBye);
  EXPECT_EQ(driver_->closed, CloseReason::kQuit);
}

TEST(Replies, AreWellFormed) {
  // FinalReplies checks code, class, length and characters.
  for (const std::string_view text : {reply::kOk,
                                      reply::kSenderOk,
                                      reply::kRecipientOk,
                                      reply::kChunkOk,
                                      reply::kSendData,
                                      reply::kBye,
                                      reply::kHelp,
                                      reply::kCannotVerify,
                                      reply::kUnknownCommand,
                                      reply::kSayLhlo,
                                      reply::kNotImplemented,
                                      reply::kLineTooLong,
                                      reply::kControlByte,
                                      reply::kNoArgument,
                                      reply::kMissingArgument,
                                      reply::kBadClientName,
                                      reply::kMailSyntax,
                                      reply::kRcptSyntax,
                                      reply::kBadSize,
                                      reply::kBadBody,
                                      reply::kBadSmtputf8,
                                      reply::kParameterTwice,
                                      reply::kUnknownParameter,
                                      reply::kBadBdat,
                                      reply::kBadSender,
                                      reply::kBadRecipient,
                                      reply::kAddressTooLong,
                                      reply::kNonAsciiSender,
                                      reply::kNonAsciiRecipient,
                                      reply::kLhloFirst,
                                      reply::kMailFirst,
                                      reply::kNestedMail,
                                      reply::kNoRecipients,
                                      reply::kChunksBegun,
                                      reply::kUnknownMailbox,
                                      reply::kDisabledMailbox,
                                      reply::kFullMailbox,
                                      reply::kFullTenant,
                                      reply::kTooManyMessages,
                                      reply::kDirectoryDown,
                                      reply::kTooManyRecipients,
                                      reply::kMessageTooLarge,
                                      reply::kStorageFull,
                                      reply::kTemporaryFailure,
                                      reply::kPermanentFailure,
                                      reply::kShuttingDown,
                                      reply::kIdle,
                                      reply::kTooManyBadCommands,
                                      reply::kTooManyConnections}) {
    EXPECT_EQ(FinalReplies(text).size(), 1u) << text;
  }
}

}  // namespace
}  // namespace poplar::lmtp
