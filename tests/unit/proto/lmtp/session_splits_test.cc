// The input of a session may be cut anywhere.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/proto/lmtp/scripted_driver.h"

namespace poplar::lmtp {
namespace {

// A conversation with a bit of everything.
std::string Conversation() {
  std::string text =
      "EHLO x\r\nLHLO mx.example\r\nNOOP\n\r\nMAIL FROM:<@r:s@t> SIZE=100 BODY=8BITMIME\r\n"
      "RCPT TO:<a@b>\r\nRCPT TO:<unknown@b>\r\nRCPT TO:<bad>\r\nDATA\r\n"
      "A: b\r\n\r\n.\n..\r\n...\r\n\n.\r\n\rx\r\n.\rz\r\n.\r\n"
      "MAIL FROM:<>\r\nRCPT TO:<c@d>\r\nRCPT TO:<a+x@b>\r\nBDAT 5\r\n.\r\n.\rBDAT 3\r\n\n.\nBDAT 0 "
      "LAST\r\n"
      "BDAT 4\r\nQUITMAIL FROM:<x@y>\r\nDATA\r\nRCPT TO:<a@b>\r\nBDAT 9 LAST\r\n\r\n.\r\nQUIT"
      "MAIL FROM:<> SIZE=99999\r\n";
  text += "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n" + std::string(700, 'x') + "\r\n.\r\n";
  text += std::string(3000, 'y') + "\r\nVRFY a\r\nQUIT\r\nNOOP\r\n";
  return text;
}

std::unique_ptr<ScriptedDriver> Converse(const std::vector<std::string_view>& pieces) {
  SessionOptions options;
  options.hostname = "pop.example";
  options.message_octets_max = 600;
  auto driver = std::make_unique<ScriptedDriver>(options);
  driver->resolve = [](const Recipient& recipient) {
    return recipient.address == "unknown@b" ? RecipientOutcome::kUnknown : RecipientOutcome::kOk;
  };
  driver->Start();
  for (const std::string_view piece : pieces) driver->Receive(piece);
  return driver;
}

void ExpectSame(const ScriptedDriver& got, const ScriptedDriver& want) {
  ASSERT_EQ(got.output, want.output);
  ASSERT_EQ(got.closed, want.closed);
  ASSERT_EQ(got.aborted, want.aborted);
  ASSERT_EQ(got.committed.size(), want.committed.size());
  for (size_t i = 0; i < got.committed.size(); ++i) {
    ASSERT_EQ(got.committed[i].wire, want.committed[i].wire);
  }
}

TEST(SessionSplits, NothingDependsOnHowInputIsCut) {
  const std::string text = Conversation();
  const std::string_view view = text;
  const auto whole = Converse({view});
  ASSERT_EQ(whole->committed.size(), 3u);
  ASSERT_EQ(whole->aborted, 1u);
  ASSERT_EQ(whole->closed, CloseReason::kQuit);
  for (size_t cut = 0; cut <= view.size(); ++cut) {
    ASSERT_NO_FATAL_FAILURE(ExpectSame(*Converse({view.substr(0, cut), view.substr(cut)}), *whole));
  }
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < view.size(); ++i) bytes.push_back(view.substr(i, 1));
  ASSERT_NO_FATAL_FAILURE(ExpectSame(*Converse(bytes), *whole));
}

// The connection may be cut anywhere: what was begun is then still open with the driver, and
// nothing was committed that was not complete.
TEST(SessionSplits, CutAtEveryByte) {
  const std::string text = Conversation();
  const auto whole = Converse({text});
  for (size_t cut = 0; cut < text.size(); ++cut) {
    const auto driver = Converse({std::string_view(text).substr(0, cut)});
    ASSERT_TRUE(std::string_view(whole->output).starts_with(driver->output));
    ASSERT_EQ(driver->begun, driver->committed.size() + driver->aborted + driver->message_open());
  }
}

}  // namespace
}  // namespace poplar::lmtp
