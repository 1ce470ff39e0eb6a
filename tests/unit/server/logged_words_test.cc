// Each word that the log may use for an outcome or an end stands in core/ops/README.md, where
// operators look it up.

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <string_view>

#include "core/net/stream_end.h"
#include "core/proto/lmtp/outcomes.h"
#include "core/proto/pop3/outcomes.h"
#include "core/server/outcome_table.h"
#include "storage/api/store.h"

namespace poplar::server {
namespace {

// The lines from the one that begins with `start` to the next empty line or row.
std::string Passage(std::string_view start) {
  std::ifstream page(POPLAR_OPS_README);
  std::string passage;
  for (std::string line; std::getline(page, line);) {
    if (!passage.empty() && (line.empty() || line.starts_with("| "))) break;
    if (!passage.empty() || line.starts_with(start)) passage += line + "\n";
  }
  EXPECT_FALSE(passage.empty()) << "no line begins with " << start;
  return passage;
}

void ExpectIn(const std::string& passage, std::string_view word) {
  EXPECT_NE(passage.find("`" + std::string(word) + "`"), std::string::npos)
      << word << " is missing in\n"
      << passage;
}

TEST(LoggedWords, OutcomesOfALogIn) {
  const std::string row = Passage("| `login` |");
  for (size_t i = 0; i < pop3::kLoginOutcomes; ++i) {
    ExpectIn(row, pop3::Name(static_cast<pop3::LoginOutcome>(i)));
  }
}

TEST(LoggedWords, RefusalsOfARecipient) {
  const std::string row = Passage("| `recipient_refused` |");
  for (size_t i = 0; i < lmtp::kRecipientOutcomes; ++i) {
    const auto outcome = static_cast<lmtp::RecipientOutcome>(i);
    if (outcome != lmtp::RecipientOutcome::kOk) ExpectIn(row, lmtp::Name(outcome));
  }
}

TEST(LoggedWords, OutcomesOfADelivery) {
  const std::string row = Passage("| `delivery` |");
  using enum storage::DeliveryOutcome;
  for (const storage::DeliveryOutcome outcome :
       {kStored, kAlreadyThere, kOverQuota, kOverTenantQuota, kTooMany, kFull, kTemporary}) {
    ExpectIn(row, lmtp::Name(ToLmtp(outcome)));
  }
}

TEST(LoggedWords, FailuresOfACommit) {
  const std::string row = Passage("| `commit_failed` |");
  using enum storage::CommitOutcome;
  for (const storage::CommitOutcome outcome : {kRefused, kFailed, kUnknown}) {
    ExpectIn(row, pop3::Name(ToPop3(outcome)));
  }
}

TEST(LoggedWords, EndsOfASession) {
  const std::string passage = Passage("`end` in `session_end` is");
  using End = pop3::EndReason;
  for (const End reason : {End::kIdle, End::kLoginTimeout, End::kSessionAge, End::kDrain,
                           End::kKicked, End::kLeaseLost}) {
    ExpectIn(passage, pop3::Name(reason));
  }
  using Close = pop3::CloseReason;
  for (const Close reason : {Close::kQuit, Close::kTooManyFailedLogins, Close::kTooManyBadCommands,
                             Close::kTooManyConnections}) {
    ExpectIn(passage, pop3::Name(reason));
  }
  using Stream = net::StreamEnd;
  for (const Stream end :
       {Stream::kPeerClosed, Stream::kPeerReset, Stream::kPeerLost, Stream::kIdle, Stream::kAborted,
        Stream::kTlsFailed, Stream::kTlsKeyUpdate, Stream::kBodyFailed}) {
    ExpectIn(passage, net::StreamEndName(end));
  }
}

}  // namespace
}  // namespace poplar::server
