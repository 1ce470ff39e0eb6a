#include "core/app/transfer/import_client.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/app/transfer/scripted_peer.h"

namespace poplar::app {
namespace {

constexpr std::string_view kHello = "220 here\r\n250-here\r\n250-XIMPORT\r\n250 CHUNKING\r\n";
constexpr std::string_view kAccepted = "250 2.1.0 ok\r\n250 2.1.5 ok\r\n";

class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string text, bool breaks = false)
      : text_(std::move(text)), breaks_(breaks) {}
  StatusOr<size_t> Read(std::span<char> into) override {
    if (taken_ == text_.size() && breaks_) return MakeStatus(StatusCode::kDataLoss, "broken");
    const size_t bytes = std::min(into.size(), text_.size() - taken_);
    std::copy_n(text_.begin() + static_cast<ptrdiff_t>(taken_), bytes, into.begin());
    taken_ += bytes;
    return bytes;
  }

 private:
  const std::string text_;
  const bool breaks_;
  size_t taken_ = 0;
};

StatusOr<ImportResult> Import(ScriptedPeer& peer, TextSource source) {
  POP_ASSIGN_OR_RETURN(ImportClient client, ImportClient::Connect(peer.path()));
  return client.Import("a@b", {"u+1", -7}, source);
}

TEST(ToXtext, EscapesWhatItMust) { EXPECT_EQ(ToXtext("a+b=c~!"), "a+2Bb+3Dc~!"); }

TEST(ImportClient, AMessageIsOneChunk) {
  ScriptedPeer peer(std::string(kHello) + std::string(kAccepted) + "250 2.1.5 Delivered as x\r\n");
  const auto result = Import(peer, TextSource("A: b\n\nbody"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outcome, ImportOutcome::kStored);
  EXPECT_EQ(peer.Told(),
            "LHLO localhost\r\nMAIL FROM:<> XUIDL=u+2B1 XRECEIVED=-7 SMTPUTF8\r\n"
            "RCPT TO:<a@b>\r\nBDAT 10 LAST\r\nA: b\n\nbody");
}

TEST(ImportClient, ALargeMessageIsMany) {
  std::string replies = std::string(kHello) + std::string(kAccepted);
  constexpr size_t kChunks = 100;
  for (size_t i = 0; i < kChunks; ++i) replies += "250 2.0.0 chunk\r\n";
  ScriptedPeer peer(replies + "250 2.2.0 Already there\r\n");
  const auto result = Import(peer, TextSource(std::string(kChunks * 256 * 1024, 'x')));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outcome, ImportOutcome::kAlreadyThere);
  EXPECT_TRUE(peer.Told().ends_with("BDAT 0 LAST\r\n"));
}

TEST(ImportClient, Refusals) {
  const auto import = [](const std::string& replies) {
    ScriptedPeer peer(std::string(kHello) + replies);
    return Import(peer, TextSource("x"));
  };
  const auto code_of = [&](const std::string& replies) { return import(replies).status().code(); };
  const std::string accepted(kAccepted);
  EXPECT_EQ(code_of("250 ok\r\n550 5.1.1 nobody\r\n"), StatusCode::kNotFound);
  EXPECT_EQ(code_of("250 ok\r\n550 5.2.1 disabled\r\n"), StatusCode::kPermissionDenied);
  EXPECT_EQ(code_of("250 ok\r\n451 4.4.3 later\r\n"), StatusCode::kUnavailable);
  EXPECT_EQ(code_of("555 5.5.4 Unknown parameter\r\n550 x\r\n"), StatusCode::kUnavailable);
  const Status at_rcpt = import("250 ok\r\n452 4.2.2 This mailbox is full\r\n").status();
  EXPECT_EQ(at_rcpt.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(Message(at_rcpt).find("over its quota here (4.2.2 This mailbox is full): raise it"),
            std::string_view::npos);
  EXPECT_EQ(import(accepted + "452 4.2.2 This mailbox is full\r\n").status(), at_rcpt);
  EXPECT_EQ(code_of(accepted + "452 4.3.1 full\r\n"), StatusCode::kResourceExhausted);
  EXPECT_EQ(code_of(accepted + "451 4.3.0 later\r\n"), StatusCode::kUnavailable);
  EXPECT_EQ(code_of(accepted), StatusCode::kUnavailable);
  EXPECT_EQ(code_of(accepted + "nonsense\r\n"), StatusCode::kUnavailable);
  const auto refused = import(accepted + "552 5.3.4 The message is too large\r\n");
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_EQ(refused->outcome, ImportOutcome::kRefused);
  EXPECT_EQ(refused->why, "552 5.3.4 The message is too large");
}

TEST(ImportClient, ASourceThatBreaksSendsNoEnd) {
  ScriptedPeer peer{std::string(kHello)};
  const auto result = Import(peer, TextSource("half", true));
  EXPECT_EQ(result.status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(peer.Told().find("LAST"), std::string::npos);
}

TEST(ImportClient, AnAddressIsNoCommand) {
  ScriptedPeer peer{std::string(kHello)};
  {
    auto client = ImportClient::Connect(peer.path());
    ASSERT_TRUE(client.ok());
    TextSource source("x");
    EXPECT_EQ(client->Import("a@b>\r\nRSET", {"u", 0}, source).status().code(),
              StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(peer.Told(), "LHLO localhost\r\n");
}

TEST(ImportClient, WhereNobodyListens) {
  EXPECT_EQ(ImportClient::Connect("/nowhere/import.sock").status().code(),
            StatusCode::kUnavailable);
  ScriptedPeer peer("554 5.7.1 not for you\r\n");
  EXPECT_FALSE(ImportClient::Connect(peer.path()).ok());
}

}  // namespace
}  // namespace poplar::app
