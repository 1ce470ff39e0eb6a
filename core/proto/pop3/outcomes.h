// The closed sets that a driver answers a session's actions with, and reasons for an end.

#pragma once

#include <cstdint>
#include <string_view>

namespace poplar::pop3 {

// How a login ended. A back end that cannot answer is kTemporary, never kBadCredentials.
enum class LoginOutcome : uint8_t {
  kOk,
  kBadCredentials,   // Unknown user or wrong password: the client cannot tell which.
  kDisabled,         // Right password, but the account may not log in: [AUTH] by RFC 3206 §4.
  kTooManyFailures,  // The session's own limit: answered, then the session ends.
  kThrottled,        // Too many failures from there, this one not looked at: the same.
  kInUse,            // Right password, but another session holds the maildrop.
  kTlsRequired,      // Right password, but not over this transport.
  kMechanismOff,     // Right password, but the tenant allows no log-in this way.
  kLimited,          // Right password, but the tenant has its fill of sessions or log-ins.
  kTooSoon,          // Right password, but the last log-in was a moment ago (RFC 2449 §8.1.1).
  kTemporary,
  kPermanent,
};
inline constexpr size_t kLoginOutcomes = 12;

// Why a body cannot be sent. It is the last error that can be told: after `+OK` there is only to
// close without the terminator.
enum class BodyFailure : uint8_t {
  kTemporary,
  kPermanent,
  kGone,
  kNeedsUtf8,  // The client did not ask for UTF-8, and the options ask for that.
};

enum class CommitOutcome : uint8_t {
  kDone,
  kRefused,  // The lease was lost; nothing was deleted.
  kFailed,   // Nothing was deleted.
  kUnknown,  // It may have happened.
};

// Why the server ends a session.
enum class EndReason : uint8_t {
  kIdle,  // Nothing is said: RFC 1939 §3.
  kLoginTimeout,
  kSessionAge,
  kDrain,
  kKicked,
  kLeaseLost,
};

// Why the session itself asks to close.
enum class CloseReason : uint8_t {
  kQuit,
  kTooManyFailedLogins,
  kTooManyBadCommands,
  kTooManyConnections,  // Of the client that XCLIENT named.
  kEnded,               // By End.
};

// The word that logs and metrics use.
std::string_view Name(LoginOutcome outcome);
std::string_view Name(CommitOutcome outcome);
std::string_view Name(EndReason reason);
std::string_view Name(CloseReason reason);

// What a client hears of it, in English. REQUIRES: it is not kOk.
std::string_view ReplyTo(LoginOutcome outcome);

}  // namespace poplar::pop3
