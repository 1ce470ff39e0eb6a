// What each link of a chain says of a name, asked one after the other, whatever the ones before
// say, and which of them would decide: for an operator who wants to know why somebody cannot log
// in. One that a tenant's chain
// names and the server does not have comes last, as one that cannot tell.

#pragma once

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "auth/service/chain.h"

namespace poplar::auth {

enum class Probed : uint8_t {
  kAddress,   // Whose it is, as for mail.
  kAccount,   // The same of somebody who logs in by a token, whose account the token does not name.
  kPassword,  // Is it right?
  kToken,
};
std::string_view Name(Probed probed);

// A password or a token to be tried; or neither.
struct ProbedSecret {
  Probed kind = Probed::kPassword;  // Or kToken.
  base::Secret secret = {};         // Empty: nothing is tried.
};

struct LinkReport {
  std::string backend;
  Probed probed = Probed::kAddress;
  BackendOutcome outcome = BackendOutcome::kUnsupported;
  std::string reason;
  Principal principal;        // With kOk; without an account where a token names none.
  std::string from_networks;  // As in BackendAnswer.
  uint64_t asked_us = 0;      // How long it took.
  bool decides = false;       // What is probed, for a client; of each `probed`, one or none does.
};

class ChainProbe final : private BackendCall {
 public:
  // Once, at the end; may destroy the probe.
  using Ended = absl::AnyInvocable<void(ChainProbe&)>;

  // Asks for the address, and for the secret where it is not empty. Each question has
  // `deadline_ms`.
  ChainProbe(Chain& chain, std::string login, ProbedSecret tried, uint64_t deadline_ms,
             Ended ended);

  void Begin() { AskNext(); }
  std::vector<LinkReport>& reports() { return reports_; }

 private:
  void AskNext();
  size_t questions_a_link() const { return tried_.secret.empty() ? 1 : 2; }
  Probed ProbedAt(size_t nth) const;
  void ReportMissing();
  void MarkWhoDecides(Probed probed);
  BackendQuestion QuestionOf(Probed probed) const;
  void Answered() override;
  void Take();

  Chain& chain_;
  const std::shared_ptr<const ChainOrder> order_;
  const std::string login_;
  const ProbedSecret tried_;
  const uint64_t deadline_ms_;
  Ended ended_;
  size_t asked_ = 0;  // Questions so far: two a link, or one.
  bool comparing_ = false;
  BackendAnswer found_;  // While its password is compared.
  uint64_t begun_us_ = 0;
  std::vector<LinkReport> reports_;
};

std::string_view Name(BackendOutcome outcome);

}  // namespace poplar::auth
