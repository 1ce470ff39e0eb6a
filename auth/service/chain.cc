#include "auth/service/chain.h"

#include <algorithm>
#include <utility>

namespace poplar::auth {
namespace {

BackendAnswer CompareWith(HasherPool& hashers, const base::Secret& stored, WeakSchemes weak,
                          const base::Secret& password) {
  switch (hashers.Verify(stored.Reveal(), password, weak)) {
    case HashVerdict::kMatch:
      return Say(BackendOutcome::kOk, "");
    case HashVerdict::kMismatch:
      return Say(BackendOutcome::kRefused, "wrong password");
    case HashVerdict::kUnusable:
      break;
  }
  // The password may be right: that we cannot tell is our fault.
  return Say(BackendOutcome::kTemporary, WhyUnusable(stored.Reveal(), weak));
}

// Of a question that no link could be asked.
std::string_view WhyNobody(Operation operation) {
  switch (operation) {
    case Operation::kResolve:
    case Operation::kResolveLogin:
      return "no back end of the chain knows addresses";
    case Operation::kVerifyPassword:
      return "no back end of the chain verifies passwords";
    case Operation::kFetchVerifier:
      return "no back end of the chain has verifiers";
    case Operation::kVerifyToken:
      return "no back end of the chain verifies tokens";
  }
  return "";
}

bool IsOfProof(Operation operation) {
  return operation == Operation::kVerifyPassword || operation == Operation::kFetchVerifier ||
         operation == Operation::kVerifyToken;
}

std::vector<std::string> NamesOf(const std::vector<ChainLink>& links) {
  std::vector<std::string> names;
  names.reserve(links.size());
  for (const ChainLink& link : links) names.emplace_back(link.port->name());
  return names;
}

}  // namespace

bool CanAnswer(const Capabilities& capabilities, Operation operation) {
  switch (operation) {
    case Operation::kResolve:
    case Operation::kResolveLogin:
      return capabilities.resolve;
    case Operation::kVerifyPassword:
      return capabilities.password;
    case Operation::kFetchVerifier:
      return capabilities.verifiers;
    case Operation::kVerifyToken:
      return capabilities.token;
  }
  return false;
}

bool GoesOnAfter(const ChainLink& link, BackendOutcome outcome) {
  switch (outcome) {
    case BackendOutcome::kUnknown:
    case BackendOutcome::kUnsupported:
      return true;
    case BackendOutcome::kRefused:
      return link.next_after_refused;
    case BackendOutcome::kTemporary:
      return link.next_after_failed;
    case BackendOutcome::kOk:
    case BackendOutcome::kDisabled:
      break;
  }
  return false;
}

bool Replaces(BackendOutcome so_far, BackendOutcome answer, bool goes_on) {
  switch (answer) {
    case BackendOutcome::kUnsupported:
      return false;
    case BackendOutcome::kUnknown:
      return so_far == BackendOutcome::kUnsupported;
    case BackendOutcome::kRefused:
      return so_far != BackendOutcome::kTemporary || !goes_on;
    case BackendOutcome::kTemporary:
    case BackendOutcome::kOk:
    case BackendOutcome::kDisabled:
      break;
  }
  return true;
}

BackendAnswer Backend::ResolveLogin(std::string_view login, std::string_view /*client_address*/) {
  return Resolve(login);
}
BackendAnswer Backend::VerifyPassword(std::string_view /*login*/, const base::Secret& /*password*/,
                                      std::string_view /*client_address*/) {
  return {};
}
BackendAnswer Backend::FetchVerifier(std::string_view /*login*/, std::string_view /*mechanism*/,
                                     std::string_view /*client_address*/) {
  return {};
}
BackendAnswer Backend::VerifyToken(std::string_view /*login*/, const base::Secret& /*token*/) {
  return {};
}

Chain::Chain(std::vector<ChainLink> links, size_t configured, const PolicyBoard* tenants,
             HasherPool& hashers, const VerifierMaker& verifiers, io::OffloadPool& hash_pool,
             io::Reactor& reactor)
    : links_(std::move(links)),
      orders_(NamesOf(links_), configured, tenants),
      hashers_(hashers),
      verifiers_(verifiers),
      hash_pool_(hash_pool),
      reactor_(reactor),
      computations_(reactor) {
  for (const ChainLink& link : links_) {
    clear_text_anywhere_ |= link.port->capabilities().clear_text;
  }
}

Capabilities Chain::CapabilitiesOf(std::optional<TenantId> tenant) {
  const std::shared_ptr<const ChainOrder> order = tenant ? orders_.Of(*tenant) : orders_.OfAll();
  Capabilities all{.resolve = false};
  for (const uint32_t link : order->links) {
    const Capabilities one = links_[link].port->capabilities();
    all.resolve |= one.resolve;
    all.password |= one.password;
    all.verifiers |= one.verifiers;
    all.clear_text |= one.clear_text || (order->weak_schemes && one.verifiers);
    all.token |= one.token;
  }
  return all;
}

bool Chain::idle() const {
  return computations_.idle() &&
         std::all_of(links_.begin(), links_.end(),
                     [](const ChainLink& link) { return link.port->idle(); });
}

void Chain::Compare(base::Secret stored, WeakSchemes weak, BackendCall& call) {
  computations_.Ask(
      hash_pool_, call.fair_key,
      [&hashers = hashers_, stored = std::move(stored), weak,
       password = call.question.secret.Copy()] {
        BackendAnswer compared = CompareWith(hashers, stored, weak, password);
        compared.computed = true;
        return compared;
      },
      call);
}

void Chain::SpendOne(BackendCall& call) {
  computations_.Ask(
      hash_pool_, call.fair_key,
      [&hashers = hashers_, password = call.question.secret.Copy()] {
        hashers.SpendOne(password);
        return BackendAnswer();
      },
      call);
}

void Chain::MakeVerifier(const base::Secret& stored, WeakSchemes weak, BackendCall& call) {
  const BackendQuestion& question = call.question;
  std::optional<Verifier> made = verifiers_.Take(question.mechanism, stored.Reveal(), weak);
  const bool may_be_clear = clear_text_anywhere_ || orders_.OfAll()->weak_schemes;
  if (!may_be_clear || !VerifierMaker::Computes(question.mechanism)) {
    call.answer.verifier = made ? std::move(*made) : Verifier();
    return call.Answered();
  }
  computations_.Ask(
      hash_pool_, call.fair_key,
      [&verifiers = verifiers_, mechanism = question.mechanism, login = question.login,
       stored = stored.Copy(), weak, taken = std::move(made)]() mutable {
        BackendAnswer answer;
        answer.computed = true;
        std::optional<Verifier> computed =
            verifiers.Compute(mechanism, login, stored.Reveal(), weak);
        if (!taken) taken = std::move(computed);
        if (taken) answer.verifier = std::move(*taken);
        return answer;
      },
      call);
}

ChainWalk::ChainWalk(Chain& chain, BackendQuestion asked, uint64_t deadline_ms, Ended ended)
    : chain_(chain), ended_(std::move(ended)), order_(chain.OrderOf(asked.login)) {
  question = std::move(asked);
  fair_key = chain.FairKeyOf(question.login);
  deadline_us = chain.now_us() + deadline_ms * 1000;
}

void ChainWalk::AskNext() {
  while (next_ < order_->links.size()) {
    ++next_;
    BackendPort& port = *link().port;
    const Capabilities can = port.capabilities();
    if (CanAnswer(can, question.operation)) {
      step_ = Step::kAsking;
      answer = {};
      port.Ask(*this);
      return;
    }
    if (question.operation == Operation::kFetchVerifier && can.password) return LookUp();
  }
  // The one that is not there may know the name.
  if (!order_->missing.empty()) {
    verdict_ = Say(BackendOutcome::kTemporary, order_->WhyMissing());
    verdict_.backend = order_->missing;
  }
  Conclude();
}

void ChainWalk::Answered() {
  asked_us_ += answer.asked_us;
  computed_ |= answer.computed;
  switch (step_) {
    case Step::kAsking:
      if (!answer.stored_password.empty() &&
          (answer.outcome == BackendOutcome::kOk || answer.outcome == BackendOutcome::kDisabled)) {
        return Compare();
      }
      if (question.operation == Operation::kFetchVerifier &&
          answer.outcome == BackendOutcome::kUnsupported) {
        return LookUp();
      }
      return Judge();
    case Step::kLookingUp:
      return TakeLookUp();
    case Step::kComparing:
      if (answer.outcome == BackendOutcome::kOk) {
        answer.outcome = found_.outcome;
        answer.principal = std::move(found_.principal);
        answer.reason = std::move(found_.reason);
        answer.remember_ms_max = found_.remember_ms_max;
        answer.from_networks = std::move(found_.from_networks);
      }
      return Judge();
    case Step::kSpending:
      return End();
    case Step::kMakingVerifier:
      return TakeVerifier();
  }
}

void ChainWalk::LookUp() {
  answer = {};
  if (!CanAnswer(link().port->capabilities(), Operation::kResolve)) {
    answer = Say(BackendOutcome::kRefused,
                 std::string(link().port->name()) + " cannot say whether the name is its own");
    return Judge();
  }
  step_ = Step::kLookingUp;
  question.operation = Operation::kResolve;
  std::swap(question.mechanism, mechanism_);
  link().port->Ask(*this);
}

void ChainWalk::TakeLookUp() {
  question.operation = Operation::kFetchVerifier;
  std::swap(question.mechanism, mechanism_);
  if (answer.outcome == BackendOutcome::kOk || answer.outcome == BackendOutcome::kDisabled) {
    answer =
        Say(BackendOutcome::kRefused, std::string(link().port->name()) +
                                          " has the name, and nothing for " + question.mechanism);
  }
  Judge();
}

void ChainWalk::Judge() {
  const bool goes_on = GoesOnAfter(link(), answer.outcome);
  if (answer.outcome == BackendOutcome::kTemporary) answer.backend = link().port->name();
  if (Replaces(verdict_.outcome, answer.outcome, goes_on)) verdict_ = std::move(answer);
  return goes_on ? AskNext() : Conclude();
}

void ChainWalk::Compare() {
  step_ = Step::kComparing;
  found_ = std::move(answer);
  answer = {};
  chain_.Compare(std::move(found_.stored_password), WeakSchemesOf(found_, *order_), *this);
}

// A verifier that nothing proves comes with a refusal: whoever asked goes on with it.
void ChainWalk::TakeVerifier() {
  if (answer.late || answer.queue_full) return End();
  verdict_.verifier = std::move(answer.verifier);
  if (verdict_.verifier.material.empty()) {
    verdict_.verifier = chain_.Decoy(question);
    if (verdict_.outcome == BackendOutcome::kOk || verdict_.outcome == BackendOutcome::kDisabled) {
      verdict_.reason = "nothing is stored for " + question.mechanism;
    }
    verdict_.outcome = BackendOutcome::kRefused;
  }
  End();
}

void ChainWalk::Conclude() {
  if (verdict_.outcome == BackendOutcome::kUnsupported) {
    verdict_.reason = WhyNobody(question.operation);
    if (IsOfProof(question.operation)) verdict_.outcome = BackendOutcome::kRefused;
  }
  if (question.operation == Operation::kFetchVerifier &&
      verdict_.outcome != BackendOutcome::kTemporary) {
    step_ = Step::kMakingVerifier;
    answer = {};
    return chain_.MakeVerifier(verdict_.stored_verifier, WeakSchemesOf(verdict_, *order_), *this);
  }
  const bool nobody =
      verdict_.outcome == BackendOutcome::kUnknown || verdict_.outcome == BackendOutcome::kRefused;
  if (question.operation != Operation::kVerifyPassword || !nobody || computed_) return End();
  step_ = Step::kSpending;
  chain_.SpendOne(*this);
}

void ChainWalk::End() {
  const bool overloaded = (step_ == Step::kSpending || step_ == Step::kMakingVerifier) &&
                          (answer.late || answer.queue_full);
  // Told as an overload, as it would be of somebody whom we know.
  if (!overloaded) answer = std::move(verdict_);
  answer.asked_us = asked_us_;
  answer.computed = computed_;
  Ended ended = std::move(ended_);  // It may destroy this.
  ended(*this);
}

}  // namespace poplar::auth
