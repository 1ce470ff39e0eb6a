// The part of ShardAuthImpl that serves log-ins without a password of the client's: verifiers,
// tokens, and names that were proved elsewhere.

#include <openssl/rand.h>

#include <array>
#include <string>
#include <utility>

#include "auth/schemes/stored_fields.h"
#include "auth/service/results.h"
#include "auth/service/shard_auth.h"
#include "auth/users/address.h"
#include "core/base/check.h"
#include "core/base/limits.h"

namespace poplar::auth {
namespace {

constexpr std::string_view kThrottledReason =
    "too many failures from this address, and too many wait";

std::string NewNonce() {
  std::array<char, 18> octets;  // Nothing of base64 is padding.
  POP_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(octets.data()),
                       static_cast<int>(octets.size())) == 1);
  return EncodeBase64({octets.data(), octets.size()});
}

AuthResult NotAsked(Outcome outcome, std::string_view reason) {
  AuthResult result;
  result.outcome = outcome;
  result.reason = reason;
  return result;
}

AuthResult ToAuthResult(BackendAnswer answer, bool throttled) {
  AuthResult result = ToAuthResult(std::move(answer));
  if (throttled) result.outcome = Outcome::kThrottled;
  return result;
}

bool IsLoginName(std::string_view user) { return !user.empty() && user.size() <= kAddressBytesMax; }

}  // namespace

std::unique_ptr<SaslMechanism> ShardAuthImpl::StartSasl(std::string_view name,
                                                        SaslConnection connection) {
  return MakeSaslMechanism(name, connection, NewNonce());
}

void ShardAuthImpl::AskChainThrottled(
    BackendQuestion question, absl::AnyInvocable<void(BackendAnswer, bool throttled)> done) {
  auto ask = [this](BackendQuestion asked,
                    absl::AnyInvocable<void(BackendAnswer, bool throttled)> then) {
    AskChain(std::move(asked), [then = std::move(then)](BackendAnswer answer) mutable {
      then(std::move(answer), /*throttled=*/false);
    });
  };
  const uint32_t delay_ms =
      context_.throttle.DelayMs(AddressPrefix(question.client.address), now_us());
  if (delay_ms == 0) return ask(std::move(question), std::move(done));
  if (metrics_.waiting.Read() >= context_.options.throttle.waiting_max) {
    return done(Say(BackendOutcome::kTemporary, kThrottledReason), /*throttled=*/true);
  }
  metrics_.waiting.Add(1);
  metrics_.delayed.Add();
  waits_.Add(std::make_unique<ThrottleWait>(shard_.reactor(), delay_ms,
                                            [this, ask, question = std::move(question),
                                             done = std::move(done)](ThrottleWait& wait) mutable {
                                              metrics_.waiting.Add(-1);
                                              waits_.End(wait);
                                              ask(std::move(question), std::move(done));
                                            }));
}

void ShardAuthImpl::FetchVerifier(std::string user, std::string mechanism, ClientInfo client,
                                  io::Completion<VerifierResult>& done) {
  if (!capabilities().verifiers) {
    VerifierResult result;
    result.outcome = Outcome::kUnsupported;
    return done.Set(std::move(result));
  }
  BackendQuestion question;
  question.operation = Operation::kFetchVerifier;
  question.login = LookupKey(user);
  question.mechanism = std::move(mechanism);
  question.client = std::move(client);
  AskChainThrottled(std::move(question), [&done](BackendAnswer answer, bool throttled) {
    VerifierResult result = ToVerifierResult(std::move(answer));
    if (throttled) result.outcome = Outcome::kThrottled;
    done.Set(std::move(result));
  });
}

void ShardAuthImpl::ResolveLogin(std::string user, ClientInfo client,
                                 io::Completion<AuthResult>& done) {
  if (!IsLoginName(user)) {
    return AnswerLogin(NotAsked(Outcome::kRefused, "no login name of ours"), done);
  }
  BackendQuestion question;
  question.operation = Operation::kResolveLogin;
  question.login = LookupKey(user);
  question.mechanism = "EXTERNAL";
  question.client = std::move(client);
  AskChain(std::move(question), [this, &done](BackendAnswer answer) {
    AnswerLogin(ToAuthResult(std::move(answer)), done);
  });
}

void ShardAuthImpl::VerifyToken(std::string user, base::Secret token, ClientInfo client,
                                io::Completion<AuthResult>& done) {
  if (!capabilities().token) return AnswerLogin(NotAsked(Outcome::kUnsupported, ""), done);
  if (!IsLoginName(user) || token.empty()) {
    return AnswerLogin(NotAsked(Outcome::kRefused, "no name or no token"), done);
  }
  BackendQuestion question;
  question.operation = Operation::kVerifyToken;
  question.login = LookupKey(user);
  question.secret = std::move(token);
  question.client = std::move(client);
  BackendQuestion next;  // Whose the name is, where the back end knows of tokens alone.
  next.operation = Operation::kResolveLogin;
  next.login = question.login;
  next.mechanism = "OAUTHBEARER";
  next.client = question.client;
  AskChainThrottled(std::move(question), [this, next = std::move(next), &done](
                                             BackendAnswer answer, bool throttled) mutable {
    AnswerToken(std::move(next), std::move(answer), throttled, &done);
  });
}

void ShardAuthImpl::AnswerToken(BackendQuestion question, BackendAnswer answer, bool throttled,
                                io::Completion<AuthResult>* done) {
  const bool is_nobodys = answer.outcome == BackendOutcome::kOk && answer.principal.account.empty();
  if (is_nobodys) {
    return AskChain(std::move(question), [this, done](BackendAnswer found) {
      AnswerLogin(ToAuthResult(std::move(found)), *done);
    });
  }
  const uint64_t prefix = AddressPrefix(question.client.address);
  AuthResult result = ToAuthResult(std::move(answer), throttled);
  if (result.outcome == Outcome::kRefused) context_.throttle.AddFailure(prefix, now_us());
  AnswerLogin(std::move(result), *done);
}

void ShardAuthImpl::CountLogin(Outcome outcome, const ClientInfo& client) {
  metrics_.of(outcome).Add();
  if (outcome != Outcome::kRefused) return;
  context_.throttle.AddFailure(AddressPrefix(client.address), now_us());
}

}  // namespace poplar::auth
