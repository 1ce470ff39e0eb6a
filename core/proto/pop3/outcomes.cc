#include "core/proto/pop3/outcomes.h"

#include "core/base/check.h"
#include "core/proto/pop3/replies.h"

namespace poplar::pop3 {
namespace {

// An enum that holds none of its values is a fault of this program.
template <size_t kCount>
std::string_view Pick(const std::string_view (&names)[kCount], uint8_t value) {
  POP_CHECK(value < kCount);
  return names[value];
}

}  // namespace

std::string_view Name(LoginOutcome outcome) {
  static constexpr std::string_view kNames[kLoginOutcomes] = {
      "ok",           "bad_credentials", "disabled", "too_many_failures", "throttled", "in_use",
      "tls_required", "mechanism_off",   "limited",  "too_soon",          "temporary", "permanent"};
  return Pick(kNames, static_cast<uint8_t>(outcome));
}

std::string_view ReplyTo(LoginOutcome outcome) {
  switch (outcome) {
    case LoginOutcome::kBadCredentials:
      return reply::kBadCredentials;
    case LoginOutcome::kDisabled:
      return reply::kAccountDisabled;
    case LoginOutcome::kTooManyFailures:
      return reply::kTooManyFailures;
    case LoginOutcome::kThrottled:
      return reply::kThrottled;
    case LoginOutcome::kInUse:
      return reply::kInUse;
    case LoginOutcome::kTlsRequired:
      return reply::kTlsRequired;
    case LoginOutcome::kMechanismOff:
      return reply::kMechanismOff;
    case LoginOutcome::kLimited:
      return reply::kLimited;
    case LoginOutcome::kTooSoon:
      return reply::kTooSoon;
    case LoginOutcome::kTemporary:
      return reply::kLoginTemporary;
    case LoginOutcome::kPermanent:
      return reply::kLoginPermanent;
    case LoginOutcome::kOk:
      break;
  }
  POP_CHECK(false);
}

std::string_view Name(CommitOutcome outcome) {
  static constexpr std::string_view kNames[] = {"done", "refused", "failed", "unknown"};
  return Pick(kNames, static_cast<uint8_t>(outcome));
}

std::string_view Name(EndReason reason) {
  static constexpr std::string_view kNames[] = {"idle",  "login_timeout", "session_age",
                                                "drain", "kicked",        "lease_lost"};
  return Pick(kNames, static_cast<uint8_t>(reason));
}

std::string_view Name(CloseReason reason) {
  static constexpr std::string_view kNames[] = {
      "quit", "too_many_failed_logins", "too_many_bad_commands", "too_many_connections", "ended"};
  return Pick(kNames, static_cast<uint8_t>(reason));
}

}  // namespace poplar::pop3
