#include "auth/service/results.h"

#include <utility>

#include "auth/users/address.h"

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

ResolveOutcome FoldResolve(BackendOutcome outcome) {
  switch (outcome) {
    case BackendOutcome::kOk:
      return ResolveOutcome::kFound;
    case BackendOutcome::kDisabled:
      return ResolveOutcome::kDisabled;
    case BackendOutcome::kTemporary:
    case BackendOutcome::kUnsupported:  // It could not be asked; mail must not bounce for that.
      return ResolveOutcome::kTemporary;
    case BackendOutcome::kUnknown:
    case BackendOutcome::kRefused:
      return ResolveOutcome::kUnknown;
  }
  return ResolveOutcome::kTemporary;
}

}  // namespace

bool WasNotAsked(const BackendAnswer& answer) {
  return answer.outcome == BackendOutcome::kTemporary && answer.queue_full;
}

AuthResult Refused(std::string_view reason) {
  AuthResult result;
  result.outcome = Outcome::kRefused;
  result.reason = reason;
  return result;
}

AuthResult ChangedMeanwhile() {
  AuthResult result;
  result.reason = kChangedMeanwhile;
  return result;
}

AuthResult ToAuthResult(BackendAnswer answer) {
  AuthResult result{.outcome = Fold(answer.outcome),
                    .principal = std::move(answer.principal),
                    .reason = std::move(answer.reason),
                    .app_password = std::move(answer.app_password)};
  result.not_asked = WasNotAsked(answer);
  return result;
}

VerifierResult ToVerifierResult(BackendAnswer answer) {
  return {.outcome = Fold(answer.outcome),
          .principal = std::move(answer.principal),
          .verifier = std::move(answer.verifier),
          .reason = std::move(answer.reason)};
}

ResolveResult ToResolveResult(BackendAnswer answer) {
  return {.outcome = FoldResolve(answer.outcome),
          .principal = std::move(answer.principal),
          .reason = std::move(answer.reason)};
}

bool IsAddressOf(const Principal& principal, std::string_view key) {
  return principal.address.size() == key.size() && LookupKey(principal.address) == key;
}

}  // namespace poplar::auth
