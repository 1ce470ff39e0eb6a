// What each link of a chain says of a name, asked one after the other, whatever the ones before
// say: for an operator who wants to know why somebody cannot log in.

#pragma once

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "auth/service/chain.h"

namespace poplar::auth {

struct LinkReport {
  std::string backend;
  bool with_password = false;  // Asked whether the password is right; else whose address it is.
  BackendOutcome outcome = BackendOutcome::kUnsupported;
  std::string reason;
  Principal principal;    // With kOk.
  uint64_t asked_us = 0;  // How long it took.
};

class ChainProbe final : private BackendCall {
 public:
  // Once, at the end; may destroy the probe.
  using Ended = absl::AnyInvocable<void(ChainProbe&)>;

  // Asks for the address, and for the password where it is not empty. Each question has
  // `deadline_ms`.
  ChainProbe(Chain& chain, std::string login, base::Secret password, uint64_t deadline_ms,
             Ended ended);

  void Begin() { AskNext(); }
  std::vector<LinkReport>& reports() { return reports_; }

 private:
  void AskNext();
  void Answered() override;
  void Take();

  Chain& chain_;
  const std::shared_ptr<const ChainOrder> order_;
  const std::string login_;
  const base::Secret password_;
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
