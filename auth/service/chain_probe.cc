#include "auth/service/chain_probe.h"

#include <utility>

#include "core/base/clock.h"

namespace poplar::auth {
namespace {

std::string_view WhyUnsupported(Probed probed) {
  switch (probed) {
    case Probed::kPassword:
      return "it cannot verify passwords";
    case Probed::kToken:
      return "it cannot verify tokens";
    case Probed::kAddress:
    case Probed::kAccount:
      break;
  }
  return "it cannot look up addresses";
}

}  // namespace

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
                        .principal = {},
                        .from_networks = {}});
  }
}

// As a walk goes along the chain.
void ChainProbe::MarkWhoDecides(Probed probed) {
  LinkReport* decides = nullptr;
  BackendOutcome so_far = BackendOutcome::kUnsupported;
  for (size_t i = 0; i < reports_.size(); ++i) {
    LinkReport& report = reports_[i];
    if (report.probed != probed) continue;
    const size_t nth = i / questions_a_link();
    const bool goes_on = nth < order_->links.size() &&
                         GoesOnAfter(chain_.links()[order_->links[nth]], report.outcome);
    if (Replaces(so_far, report.outcome, goes_on)) {
      so_far = report.outcome;
      decides = &report;
    }
    if (!goes_on) break;
  }
  if (decides != nullptr) decides->decides = true;
}

void ChainProbe::AskNext() {
  const size_t link = asked_ / questions_a_link();
  if (link == order_->links.size()) {
    ReportMissing();
    for (size_t nth = 0; nth < questions_a_link(); ++nth) MarkWhoDecides(ProbedAt(nth));
    Ended ended = std::move(ended_);  // It may destroy this.
    ended(*this);
    return;
  }
  BackendPort& port = *chain_.links()[order_->links[link]].port;
  LinkReport& report = reports_.emplace_back();
  report.backend = port.name();
  report.probed = ProbedAt(asked_++ % questions_a_link());
  question = QuestionOf(report.probed);
  fair_key = chain_.FairKeyOf(login_);
  answer = {};
  comparing_ = false;
  begun_us_ = base::SystemClock().MonotonicUs();
  deadline_us = chain_.now_us() + deadline_ms_ * 1000;
  if (!CanAnswer(port.capabilities(), question.operation)) {
    answer.reason = WhyUnsupported(report.probed);
    return Take();
  }
  port.Ask(*this);
}

void ChainProbe::Answered() {
  // Also of who is switched off: that is told after the right password only.
  const bool found =
      answer.outcome == BackendOutcome::kOk || answer.outcome == BackendOutcome::kDisabled;
  if (!comparing_ && found && !answer.stored_password.empty()) {
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
  report.from_networks = std::move(answer.from_networks);
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
