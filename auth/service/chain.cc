#include "auth/service/chain.h"

#include <string>
#include <utility>

namespace poplar::auth {
namespace {

Outcome Fold(BackendOutcome outcome) {
  switch (outcome) {
    case BackendOutcome::kOk:
      return Outcome::kOk;
    case BackendOutcome::kUnknown:
    case BackendOutcome::kRefused:
      return Outcome::kRefused;
    case BackendOutcome::kDisabled:
      return Outcome::kDisabled;
    case BackendOutcome::kTemporary:
      return Outcome::kTemporary;
    case BackendOutcome::kUnsupported:
      return Outcome::kUnsupported;
  }
  return Outcome::kTemporary;
}

AuthResult ToResult(BackendAnswer answer) {
  return {.outcome = Fold(answer.outcome),
          .principal = std::move(answer.principal),
          .reason = std::move(answer.reason)};
}

BackendAnswer Unknown() {
  BackendAnswer answer;
  answer.outcome = BackendOutcome::kUnknown;
  answer.reason = "unknown user";
  return answer;
}

}  // namespace

BackendAnswer Backend::VerifyPassword(std::string_view /*login*/,
                                      const base::Secret& /*password*/) {
  return {};
}
BackendAnswer Backend::FetchVerifier(std::string_view /*login*/, std::string_view /*mechanism*/,
                                     Verifier& /*verifier*/) {
  return {};
}
BackendAnswer Backend::VerifyToken(std::string_view /*login*/, const base::Secret& /*token*/) {
  return {};
}

Chain::Chain(std::vector<std::unique_ptr<Backend>> backends, HasherPool& hashers)
    : backends_(std::move(backends)), hashers_(hashers) {
  for (const auto& backend : backends_) {
    const Capabilities one = backend->capabilities();
    capabilities_.password |= one.password;
    capabilities_.verifiers |= one.verifiers;
    capabilities_.token |= one.token;
  }
}

ResolveResult Chain::Resolve(std::string_view address) {
  BackendAnswer answer = Unknown();
  for (const auto& backend : backends_) {
    answer = backend->Resolve(address);
    if (answer.outcome != BackendOutcome::kUnknown) break;
  }
  ResolveResult result;
  result.reason = std::move(answer.reason);
  switch (answer.outcome) {
    case BackendOutcome::kOk:
      result.outcome = ResolveOutcome::kFound;
      result.principal = std::move(answer.principal);
      break;
    case BackendOutcome::kDisabled:
      result.outcome = ResolveOutcome::kDisabled;
      break;
    case BackendOutcome::kTemporary:
      result.outcome = ResolveOutcome::kTemporary;
      break;
    case BackendOutcome::kUnknown:
    case BackendOutcome::kRefused:
    case BackendOutcome::kUnsupported:
      result.outcome = ResolveOutcome::kUnknown;
      break;
  }
  return result;
}

template <class Ask>
BackendAnswer Chain::AskInTurn(bool Capabilities::* can, Ask ask) {
  for (const auto& backend : backends_) {
    if (!(backend->capabilities().*can)) continue;
    BackendAnswer answer = ask(*backend);
    if (answer.outcome != BackendOutcome::kUnknown) return answer;
  }
  return Unknown();
}

AuthResult Chain::VerifyPassword(std::string_view login, const base::Secret& password) {
  BackendAnswer answer = AskInTurn(&Capabilities::password, [&](Backend& backend) {
    return backend.VerifyPassword(login, password);
  });
  if (answer.outcome == BackendOutcome::kUnknown) hashers_.SpendOne(password);
  return ToResult(std::move(answer));
}

VerifierResult Chain::FetchVerifier(std::string_view login, std::string_view mechanism) {
  Verifier verifier;
  AuthResult result = ToResult(AskInTurn(&Capabilities::verifiers, [&](Backend& backend) {
    return backend.FetchVerifier(login, mechanism, verifier);
  }));
  return {.outcome = result.outcome,
          .principal = std::move(result.principal),
          .verifier = std::move(verifier),
          .reason = std::move(result.reason)};
}

AuthResult Chain::VerifyToken(std::string_view login, const base::Secret& token) {
  return ToResult(AskInTurn(&Capabilities::token,
                            [&](Backend& backend) { return backend.VerifyToken(login, token); }));
}

BackendChanges Chain::TakeChanges(Status& fault) {
  BackendChanges all;
  for (const auto& backend : backends_) {
    StatusOr<BackendChanges> changes = backend->TakeChanges();
    if (!changes.ok()) {
      fault = Annotate(changes.status(), backend->name());
      continue;
    }
    all.everything |= changes->everything;
    for (std::string& login : changes->logins) all.logins.push_back(std::move(login));
  }
  return all;
}

}  // namespace poplar::auth
