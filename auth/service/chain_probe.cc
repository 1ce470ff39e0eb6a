#include "auth/service/chain_probe.h"

#include <utility>

#include "core/base/clock.h"

namespace poplar::auth {

ChainProbe::ChainProbe(Chain& chain, std::string login, ProbedSecret tried, uint64_t deadline_ms,
                       Ended ended)
    : chain_(chain),
      order_(chain.OrderOf(login)),
      login_(std::move(login)),
      tried_(std::move(tried)),
      deadline_ms_(deadline_ms),
      ended_(std::move(ended)) {}

BackendQuestion ChainProbe::QuestionOf(Probed probed) const {
  BackendQuestion asked;
  asked.login = login_;
  switch (probed) {
    case Probed::kAddress:
      asked.operation = Operation::kResolve;
      break;
    case Probed::kAccount:
      asked.operation = Operation::kResolveLogin;
      asked.mechanism = "OAUTHBEARER";
      break;
    case Probed::kPassword:
      asked.operation = Operation::kVerifyPassword;
      asked.secret = tried_.secret.Copy();
      break;
    case Probed::kToken:
      asked.operation = Operation::kVerifyToken;
      asked.secret = tried_.secret.Copy();
      break;
  }
  return asked;
}

// The first question of a link, or the second.
Probed ChainProbe::ProbedAt(size_t nth) const {
  if (nth == 1) return tried_.kind;
  const bool by_token = !tried_.secret.empty() && tried_.kind == Probed::kToken;
  return by_token ? Probed::kAccount : Probed::kAddress;
}

// As clients hear it whom nobody else knows.
void ChainProbe::ReportMissing() {
  if (order_->missing.empty()) return;
  for (size_t nth = 0; nth < questions_a_link(); ++nth) {
    reports_.push_back({.backend = order_->missing,
                        .probed = ProbedAt(nth),
                        .outcome = BackendOutcome::kTemporary,
                        .reason = order_->WhyMissing(),
                        .principal = {}});
  }
}

void ChainProbe::AskNext() {
  const size_t link = asked_ / questions_a_link();
  if (link == order_->links.size()) {
    ReportMissing();
    Ended ended = std::move(ended_);  // It may destroy this.
    ended(*this);
    return;
  }
  BackendPort& port = *chain_.links()[order_->links[link]].port;
  LinkReport& report = reports_.emplace_back();
  report.backend = port.name();
  report.probed = ProbedAt(asked_++ % questions_a_link());
  question = QuestionOf(report.probed);
  answer = {};
  comparing_ = false;
  begun_us_ = base::SystemClock().MonotonicUs();
  deadline_us = chain_.now_us() + deadline_ms_ * 1000;
  const Capabilities can = port.capabilities();
  if (report.probed == Probed::kPassword && !can.password) {
    answer.reason = "it cannot verify passwords";
    return Take();
  }
  if (report.probed == Probed::kToken && !can.token) {
    answer.reason = "it cannot verify tokens";
    return Take();
  }
  port.Ask(*this);
}

void ChainProbe::Answered() {
  if (!comparing_ && answer.outcome == BackendOutcome::kOk && !answer.stored_password.empty()) {
    comparing_ = true;
    found_ = std::move(answer);
    chain_.Compare(std::move(found_.stored_password), WeakSchemesOf(found_, *order_), *this);
    return;
  }
  if (comparing_ && answer.outcome == BackendOutcome::kOk) answer = std::move(found_);
  Take();
}

void ChainProbe::Take() {
  LinkReport& report = reports_.back();
  report.outcome = answer.outcome;
  report.reason = std::move(answer.reason);
  report.principal = std::move(answer.principal);
  report.asked_us = base::SystemClock().MonotonicUs() - begun_us_;
  AskNext();
}

std::string_view Name(Probed probed) {
  switch (probed) {
    case Probed::kAddress:
      return "address";
    case Probed::kAccount:
      return "account";
    case Probed::kPassword:
      return "password";
    case Probed::kToken:
      return "token";
  }
  return "address";
}

std::string_view Name(BackendOutcome outcome) {
  switch (outcome) {
    case BackendOutcome::kOk:
      return "ok";
    case BackendOutcome::kUnknown:
      return "unknown";
    case BackendOutcome::kRefused:
      return "refused";
    case BackendOutcome::kDisabled:
      return "disabled";
    case BackendOutcome::kTemporary:
      return "temporary";
    case BackendOutcome::kUnsupported:
      return "unsupported";
  }
  return "temporary";
}

}  // namespace poplar::auth
