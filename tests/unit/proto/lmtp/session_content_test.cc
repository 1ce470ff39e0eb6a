// Messages in a session: what is stored, what is answered, what is begun and ended with the driver.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/proto/lmtp/replies.h"
#include "core/proto/lmtp/session.h"
#include "tests/unit/proto/lmtp/scripted_driver.h"

namespace poplar::lmtp {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kOpen = "MAIL FROM:<s@t>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\n";
constexpr std::string_view kTrace =
    "Return-Path: <s@t>\r\n"
    "Received: from mx.example ([192.0.2.1])\r\n"
    "\tby pop.example (Poplar) with LMTP id s1-1;\r\n"
    "\tThu, 29 Feb 2024 12:34:56 +0000\r\n";

class SessionContentTest : public testing::Test {
 protected:
  SessionContentTest() {
    SessionOptions options;
    options.hostname = "pop.example";
    options.message_octets_max = 200'000;
    options.discarded_bytes_max = 1'000'000;
    driver_ = std::make_unique<ScriptedDriver>(options);
    driver_->Start();
    driver_->Receive("LHLO mx.example\r\n");
    Say(kOpen);
  }
  std::vector<std::string> Say(std::string_view input) {
    const size_t before = driver_->output.size();
    driver_->Receive(input);
    return FinalReplies(std::string_view(driver_->output).substr(before));
  }
  std::string Stored() const {
    return driver_->committed.empty() ? "nothing" : driver_->committed.back().wire;
  }
  uint64_t Deliveries(DeliveryOutcome outcome) const {
    return driver_->metrics().deliveries[static_cast<size_t>(outcome)].Read();
  }

  std::unique_ptr<ScriptedDriver> driver_;
};

TEST_F(SessionContentTest, DataIsStoredBehindOurHeader) {
  EXPECT_THAT(Say("DATA\r\n"), ElementsAre("354 End data with <CRLF>.<CRLF>"));
  EXPECT_THAT(Say("Subject: x\r\n\r\n..dot\r\n.\r\n"),
              ElementsAre("250 2.1.5 Delivered as s1-1", "250 2.1.5 Delivered as s1-1"));
  EXPECT_EQ(Stored(), std::string(kTrace) + "Subject: x\r\n\r\n..dot\r\n.\r\n");
  const MessageSizes& sizes = driver_->committed[0].sizes;
  EXPECT_EQ(sizes.octets, kTrace.size() + 20);
  EXPECT_EQ(sizes.wire_bytes, kTrace.size() + 24);
  EXPECT_EQ(sizes.header_bytes, kTrace.size() + 14);
  EXPECT_EQ(driver_->committed[0].envelope.sender, "s@t");
  EXPECT_EQ(driver_->metrics().message_octets.Read(), sizes.octets);
}

TEST_F(SessionContentTest, ChunksAreStoredTheSame) {
  EXPECT_THAT(Say("BDAT 12\r\nSubject: x\r\nBDAT 2\r\n\r\nBDAT 7 LAST\r\n.\r\n..\ra"),
              ElementsAre("250 2.0.0 Chunk received", "250 2.0.0 Chunk received",
                          StartsWith("250 2.1.5"), StartsWith("250 2.1.5")));
  EXPECT_EQ(Stored(), std::string(kTrace) + "Subject: x\r\n\r\n..\r\n...\ra\r\n.\r\n");
}

TEST_F(SessionContentTest, EmptyLastChunk) {
  EXPECT_THAT(Say("BDAT 2\r\nhiBDAT 0\r\nBDAT 0 LAST\r\nNOOP\r\n"),
              ElementsAre(StartsWith("250 2.0.0 Chunk"), StartsWith("250 2.0.0 Chunk"),
                          StartsWith("250 2.1.5"), StartsWith("250 2.1.5"), "250 2.0.0 OK"));
  EXPECT_EQ(Stored(), std::string(kTrace) + "hi\r\n.\r\n");
}

TEST_F(SessionContentTest, OnlyAnEmptyChunk) {
  EXPECT_THAT(Say("BDAT 0 LAST\r\n"), ElementsAre(StartsWith("250"), StartsWith("250")));
  EXPECT_EQ(Stored(), std::string(kTrace) + ".\r\n");
}

TEST_F(SessionContentTest, OnlyCrlfDotCrlfEndsData) {
  // Each of these would be an end to some server; here they are content, and so is what follows.
  Say("DATA\r\na\n.\nMAIL FROM:<x@y>\r\nb\n.\r\nRSET\r\nc\r\n.\nQUIT\r\nd\r.\r\n.\r\n");
  EXPECT_EQ(Stored(), std::string(kTrace) +
                          "a\r\n..\r\nMAIL FROM:<x@y>\r\nb\r\n..\r\nRSET\r\nc\r\n\r\nQUIT\r\n"
                          "d\r.\r\n.\r\n");
  EXPECT_FALSE(driver_->closed);
}

TEST_F(SessionContentTest, OneReplyARecipientInOrder) {
  driver_->deliver = [](const Recipient& recipient) {
    return recipient.address == "a@b" ? DeliveryOutcome::kOverQuota : DeliveryOutcome::kStored;
  };
  EXPECT_THAT(Say("RCPT TO:<a@b>\r\nDATA\r\n.\r\n"),
              ElementsAre(StartsWith("250"), StartsWith("354"), StartsWith("452 4.2.2"),
                          StartsWith("250 2.1.5"), StartsWith("452 4.2.2")));
}

TEST_F(SessionContentTest, DeliveryOutcomesBecomeReplies) {
  const std::vector<std::pair<DeliveryOutcome, std::string_view>> table = {
      {DeliveryOutcome::kStored, "250 2.1.5"},
      {DeliveryOutcome::kOverQuota, "452 4.2.2"},
      {DeliveryOutcome::kOverTenantQuota, "452 4.2.2"},
      {DeliveryOutcome::kTooMany, "452 4.2.2"},
      {DeliveryOutcome::kFull, "452 4.3.1"},
      {DeliveryOutcome::kTemporary, "451 4.3.0"},
      {DeliveryOutcome::kUnknown, "550 5.1.1"},
      {DeliveryOutcome::kDisabled, "550 5.2.1"},
      {DeliveryOutcome::kPermanent, "554 5.3.0"},
      {DeliveryOutcome::kAlreadyThere, "250 2.2.0"},
  };
  ASSERT_EQ(table.size(), kDeliveryOutcomes);
  Say("RSET\r\n");
  for (const auto& [outcome, code] : table) {
    driver_->deliver = [verdict = outcome](const Recipient&) { return verdict; };
    Say("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
    EXPECT_THAT(Say(".\r\n"), ElementsAre(StartsWith(std::string(code))));
  }
}

TEST_F(SessionContentTest, TooLargeIsReceivedToItsEndAndNotStored) {
  std::string message = "DATA\r\n";
  for (int i = 0; i < 3000; ++i) message += std::string(76, 'x') + "\r\n";
  message += ".\r\nNOOP\r\n";
  EXPECT_THAT(Say(message), ElementsAre(StartsWith("354"), StartsWith("552 5.3.4"),
                                        StartsWith("552 5.3.4"), "250 2.0.0 OK"));
  EXPECT_TRUE(driver_->committed.empty());
  EXPECT_EQ(driver_->begun, 1u);
  EXPECT_EQ(driver_->aborted, 1u);
  EXPECT_EQ(driver_->metrics().messages_too_large.Read(), 1u);
}

TEST_F(SessionContentTest, ChunksThatAreTooLargeTogether) {
  const std::string half = "BDAT 150000\r\n" + std::string(150'000, 'x');
  EXPECT_THAT(Say(half), ElementsAre(StartsWith("250")));
  EXPECT_THAT(Say(half), ElementsAre(StartsWith("552 5.3.4")));
  EXPECT_EQ(driver_->aborted, 1u);
  EXPECT_THAT(Say("BDAT 4 LAST\r\nQUIT"), ElementsAre(StartsWith("552"), StartsWith("552")));
  EXPECT_FALSE(driver_->closed);
  EXPECT_THAT(Say("MAIL FROM:<>\r\n"), ElementsAre(StartsWith("250")));
}

TEST_F(SessionContentTest, AChunkAnnouncedTooLargeBeginsNothing) {
  EXPECT_THAT(Say("BDAT 200001 LAST\r\n" + std::string(200'001, 'x') + "NOOP\r\n"),
              ElementsAre(StartsWith("552"), StartsWith("552"), "250 2.0.0 OK"));
  EXPECT_EQ(driver_->begun, 0u);
}

TEST_F(SessionContentTest, EndlessContentEndsTheSession) {
  Say("DATA\r\n");
  const std::string block(100'000, 'x');
  uint64_t sent = 0;
  for (; !driver_->closed && sent < 10'000'000; sent += block.size()) driver_->Receive(block);
  EXPECT_GT(sent, 1'000'000u);
  EXPECT_LT(sent, 1'500'000u);
  EXPECT_EQ(driver_->closed, CloseReason::kDiscardedBytes);
  EXPECT_THAT(driver_->output, EndsWith(std::string(reply::kMessageTooLarge)));
  EXPECT_EQ(driver_->metrics().closed_for_discarded_bytes.Read(), 1u);
}

TEST_F(SessionContentTest, NoRoomAtData) {
  driver_->begin_failure = StorageFailure::kFull;
  EXPECT_THAT(Say("DATA\r\n"), ElementsAre(StartsWith("452 4.3.1")));
  EXPECT_EQ(Deliveries(DeliveryOutcome::kFull), 2u);
  // No content follows; the transaction is still open, and another try may work.
  driver_->begin_failure.reset();
  EXPECT_THAT(Say("DATA\r\nx\r\n.\r\n"),
              ElementsAre(StartsWith("354"), StartsWith("250"), StartsWith("250")));
}

TEST_F(SessionContentTest, NoRoomAtBdat) {
  driver_->begin_failure = StorageFailure::kTemporary;
  EXPECT_THAT(Say("BDAT 4\r\nQUITBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
              ElementsAre(StartsWith("451 4.3.0"), StartsWith("451 4.3.0"), StartsWith("451 4.3.0"),
                          "250 2.0.0 OK"));
  EXPECT_EQ(driver_->aborted, 0u);
}

TEST_F(SessionContentTest, StorageFailsUnderway) {
  driver_->body_failure = StorageFailure::kFull;
  driver_->bodies_before_failure = 1;
  Say("DATA\r\nfirst\r\n");
  EXPECT_EQ(driver_->bodies, 1u);
  EXPECT_THAT(Say("second\r\n.\r\nNOOP\r\n"),
              ElementsAre(StartsWith("452 4.3.1"), StartsWith("452 4.3.1"), "250 2.0.0 OK"));
  EXPECT_EQ(Deliveries(DeliveryOutcome::kFull), 2u);
  EXPECT_EQ(driver_->aborted, 1u);
  EXPECT_TRUE(driver_->committed.empty());
}

TEST_F(SessionContentTest, StorageFailsAtTheLastPiece) {
  driver_->body_failure = StorageFailure::kTemporary;
  EXPECT_THAT(Say("BDAT 2 LAST\r\nhi"), ElementsAre(StartsWith("451"), StartsWith("451")));
  EXPECT_EQ(Deliveries(DeliveryOutcome::kTemporary), 2u);
  EXPECT_EQ(driver_->aborted, 1u);
}

TEST_F(SessionContentTest, RsetQuitAndLhloAbortChunks) {
  Say("BDAT 2\r\nhi");
  EXPECT_TRUE(driver_->message_open());
  EXPECT_THAT(Say("RSET\r\n"), ElementsAre("250 2.0.0 OK"));
  EXPECT_EQ(driver_->aborted, 1u);
  Say(kOpen);
  Say("BDAT 2\r\nhi");
  Say("LHLO again.example\r\n");
  EXPECT_EQ(driver_->aborted, 2u);
  Say(kOpen);
  Say("BDAT 2\r\nhi");
  EXPECT_THAT(Say("QUIT\r\n"), ElementsAre("221 2.0.0 Bye"));
  EXPECT_EQ(driver_->aborted, 3u);
}

TEST_F(SessionContentTest, RefusedChunksAreDroppedNotRun) {
  EXPECT_THAT(Say("RSET\r\nBDAT 6\r\nQUIT\r\nMAIL FROM:<>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
              ElementsAre("250 2.0.0 OK", StartsWith("503 5.5.1 Say MAIL"), StartsWith("250"),
                          StartsWith("503 5.5.1 No valid"), "250 2.0.0 OK"));
  EXPECT_FALSE(driver_->closed);
}

TEST_F(SessionContentTest, AChunkOfUnknownSizeEndsTheSession) {
  EXPECT_THAT(Say("BDAT x\r\nQUIT\r\n"), ElementsAre(StartsWith("501 5.5.4")));
  EXPECT_EQ(driver_->closed, CloseReason::kBadBdat);
}

TEST_F(SessionContentTest, AHugeRefusedChunkEndsTheSession) {
  EXPECT_THAT(Say("RSET\r\nBDAT 99999999999999999999\r\nQUIT\r\n"),
              ElementsAre("250 2.0.0 OK", StartsWith("503 5.5.1")));
  EXPECT_EQ(driver_->closed, CloseReason::kDiscardedBytes);
}

TEST_F(SessionContentTest, DrainLetsAMessageComeToItsEnd) {
  Say("DATA\r\nhi\r\n");
  driver_->End(EndReason::kDrain);
  EXPECT_TRUE(Say("more\r\n").empty());
  EXPECT_THAT(Say(".\r\nNOOP\r\n"), ElementsAre(StartsWith("250 2.1.5"), StartsWith("250 2.1.5"),
                                                StartsWith("421 4.3.2")));
  EXPECT_EQ(driver_->committed.size(), 1u);
  EXPECT_EQ(driver_->closed, CloseReason::kDrain);
}

TEST_F(SessionContentTest, DrainWhileCommitting) {
  driver_->while_committing = [&] { driver_->End(EndReason::kDrain); };
  EXPECT_THAT(Say("DATA\r\n.\r\nNOOP\r\n"),
              ElementsAre(StartsWith("354"), StartsWith("250 2.1.5"), StartsWith("250 2.1.5"),
                          StartsWith("421 4.3.2")));
}

TEST_F(SessionContentTest, IdleWhileCommittingLosesNoReply) {
  driver_->while_committing = [&] { driver_->End(EndReason::kIdle); };
  EXPECT_THAT(Say("DATA\r\n.\r\n"), ElementsAre(StartsWith("354"), StartsWith("250 2.1.5"),
                                                StartsWith("250 2.1.5"), StartsWith("421 4.4.2")));
}

TEST_F(SessionContentTest, IdleInContentAborts) {
  Say("DATA\r\nhi\r\n");
  driver_->End(EndReason::kIdle);
  EXPECT_THAT(Say(""), ElementsAre(StartsWith("421 4.4.2")));
  EXPECT_EQ(driver_->aborted, 1u);
  EXPECT_EQ(driver_->closed, CloseReason::kIdle);
}

TEST_F(SessionContentTest, IdsTellTransactionsApart) {
  Say("DATA\r\n.\r\n");
  Say(kOpen);
  EXPECT_THAT(Say("DATA\r\n.\r\n"), ElementsAre(StartsWith("354"), "250 2.1.5 Delivered as s1-2",
                                                "250 2.1.5 Delivered as s1-2"));
  EXPECT_THAT(Stored(), HasSubstr(" id s1-2;"));
}

TEST_F(SessionContentTest, DeclaredOctetsReachTheDriver) {
  Say("RSET\r\nMAIL FROM:<> SIZE=1234 SMTPUTF8\r\nRCPT TO:<ü@b>\r\nDATA\r\n.\r\n");
  EXPECT_EQ(driver_->committed.back().envelope.declared_octets, 1234u);
  EXPECT_TRUE(driver_->committed.back().envelope.smtputf8);
  EXPECT_THAT(Stored(), HasSubstr("with UTF8LMTP id"));
  Say(kOpen);
  Say("BDAT 3 LAST\r\nabc");
  EXPECT_EQ(driver_->committed.back().envelope.declared_octets, 3u);
}

}  // namespace
}  // namespace poplar::lmtp
