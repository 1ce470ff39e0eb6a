// The part of ShardAuthImpl that serves log-ins without a password of the client's: verifiers,
// tokens, and names that were proved elsewhere.

#include <openssl/rand.h>

#include <array>
#include <string>
#include <utility>

#include "auth/schemes/stored_fields.h"
#include "auth/service/login_source.h"
#include "auth/service/results.h"
#include "auth/service/shard_auth.h"
#include "auth/users/address.h"
#include "core/base/check.h"

namespace poplar::auth {
namespace {

std::string NewNonce() {
  std::array<char, 18> octets;  // Nothing of base64 is padding.
  POP_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(octets.data()),
                       static_cast<int>(octets.size())) == 1);
  return EncodeBase64({octets.data(), octets.size()});
}

AuthResult ToAuthResult(BackendAnswer answer, bool throttled) {
  AuthResult result = ToAuthResult(std::move(answer));
  if (throttled) result.outcome = Outcome::kThrottled;
  return result;
}

}  // namespace

std::unique_ptr<SaslMechanism> ShardAuthImpl::StartSasl(std::string_view name,
                                                        SaslConnection connection) {
  return MakeSaslMechanism(name, connection, NewNonce());
}

void ShardAuthImpl::AskChainThrottled(BackendQuestion question, const LoginSource& source,
                                      absl::AnyInvocable<void(BackendAnswer, UnderWay)> done) {
  auto ask = [this](BackendQuestion asked, UnderWay under_way,
                    absl::AnyInvocable<void(BackendAnswer, UnderWay)> then) {
    AskChain(std::move(asked),
             [under_way = std::move(under_way), then = std::move(then)](
                 BackendAnswer answer) mutable { then(std::move(answer), std::move(under_way)); });
  };
  Admission admission = context_.throttle.Admit(source, now_us());
  if (admission.under_way) {
    return ask(std::move(question), std::move(admission.under_way), std::move(done));
  }
  ThrottleWait& wait =
      waits_.Add(std::make_unique<ThrottleWait>(waiting_room_, question.client.session));
  wait.Begin(source, admission,
             [this, ask, question = std::move(question), done = std::move(done)](
                 ThrottleWait& ended, ThrottleWait::End end, UnderWay under_way) mutable {
               waits_.End(ended);
               if (under_way) {
                 return ask(std::move(question), std::move(under_way), std::move(done));
               }
               done(Say(BackendOutcome::kTemporary, Reason(end)), nullptr);
             });
}

void ShardAuthImpl::FetchVerifier(std::string user, std::string mechanism, ClientInfo client,
                                  io::Completion<VerifierResult>& done) {
  BackendQuestion question;
  question.operation = Operation::kFetchVerifier;
  question.login = LookupKey(user);
  question.mechanism = std::move(mechanism);
  if (!IsLoginName(user)) {
    // The exchange goes on to its end, as for anybody who is unknown.
    return done.Set({.outcome = Outcome::kRefused,
                     .principal = {},
                     .verifier = chain_.Decoy(question),
                     .reason = std::string(kNoLoginName)});
  }
  const LoginSource source = SourceOf(hasher_, question.login, client.address);
  question.client = std::move(client);
  std::string login = question.login;
  ClientInfo from = question.client;
  AskChainThrottled(
      std::move(question), source,
      [this, source, login = std::move(login), from = std::move(from),
       seen = recent_changes_.count(), &done](BackendAnswer answer, UnderWay under_way) {
        if (WasNotAsked(answer)) CountNotAsked(source, login, from);
        VerifierResult result = ToVerifierResult(std::move(answer));
        if (!under_way) result.outcome = Outcome::kThrottled;
        challenged_[from.session.value()] = std::move(under_way);
        result.changes_seen = seen;
        done.Set(std::move(result));
      });
}

bool ShardAuthImpl::IsOutdated(const VerifierResult& verifier, const std::string& user) {
  return recent_changes_.AreAbout(verifier.principal, LookupKey(user), verifier.changes_seen);
}

AuthResult ShardAuthImpl::AsOfNow(AuthResult result, const std::string& login,
                                  uint64_t changes_seen) {
  const bool is_outdated = result.outcome == Outcome::kOk &&
                           recent_changes_.AreAbout(result.principal, login, changes_seen);
  return is_outdated ? ChangedMeanwhile() : std::move(result);
}

void ShardAuthImpl::ResolveLogin(std::string user, ClientInfo client,
                                 io::Completion<AuthResult>& done) {
  if (!IsLoginName(user)) {
    return AnswerLogin(Refused(kNoLoginName), done);
  }
  BackendQuestion question;
  question.operation = Operation::kResolveLogin;
  question.login = LookupKey(user);
  question.mechanism = "EXTERNAL";
  const LoginSource source = SourceOf(hasher_, question.login, client.address);
  question.client = std::move(client);
  std::string login = question.login;
  AskChain(std::move(question), [this, source, login = std::move(login),
                                 seen = recent_changes_.count(), &done](BackendAnswer answer) {
    AuthResult result = AsOfNow(ToAuthResult(std::move(answer)), login, seen);
    if (result.outcome == Outcome::kOk) CountSuccess(source);
    AnswerLogin(std::move(result), done);
  });
}

void ShardAuthImpl::VerifyToken(std::string user, base::Secret token, ClientInfo client,
                                io::Completion<AuthResult>& done) {
  if (!IsLoginName(user)) return AnswerLogin(Refused(kNoLoginName), done);
  if (token.empty()) return AnswerLogin(Refused("no token"), done);
  TokenQuestion asked;
  asked.done = &done;
  asked.changes_seen = recent_changes_.count();
  BackendQuestion question;
  question.operation = Operation::kVerifyToken;
  question.login = LookupKey(user);
  asked.guess = hasher_.OfLogin(question.login, token).login.low;
  asked.source = SourceOf(hasher_, question.login, client.address);
  question.secret = std::move(token);
  question.client = std::move(client);
  asked.owner.operation = Operation::kResolveLogin;
  asked.owner.login = question.login;
  asked.owner.mechanism = "OAUTHBEARER";
  asked.owner.client = question.client;
  const LoginSource source = asked.source;
  AskChainThrottled(
      std::move(question), source,
      [this, asked = std::move(asked)](BackendAnswer answer, UnderWay under_way) mutable {
        const bool throttled = !under_way;
        asked.under_way = std::move(under_way);
        AnswerToken(std::move(asked), std::move(answer), throttled);
      });
}

void ShardAuthImpl::AnswerToken(TokenQuestion asked, BackendAnswer answer, bool throttled) {
  const bool is_nobodys = answer.outcome == BackendOutcome::kOk && answer.principal.account.empty();
  if (!is_nobodys) return EndToken(asked, ToAuthResult(std::move(answer), throttled));
  BackendQuestion owner = asked.owner.Copy();
  AskChain(std::move(owner), [this, asked = std::move(asked)](BackendAnswer found) {
    EndToken(asked, ToAuthResult(std::move(found)));
  });
}

void ShardAuthImpl::EndToken(const TokenQuestion& asked, AuthResult result) {
  result = AsOfNow(std::move(result), asked.owner.login, asked.changes_seen);
  if (result.outcome == Outcome::kRefused) {
    CountFailure(asked.source, asked.guess, asked.owner.login, asked.owner.client);
  } else if (result.not_asked) {
    CountNotAsked(asked.source, asked.owner.login, asked.owner.client);
  } else if (result.outcome == Outcome::kOk) {
    CountSuccess(asked.source);
  }
  AnswerLogin(std::move(result), *asked.done);
}

void ShardAuthImpl::CountLogin(Outcome outcome, const std::string& user, const ClientInfo& client) {
  metrics_.of(outcome).Add();
  const std::string login = LookupKey(user);
  const LoginSource source = SourceOf(hasher_, login, client.address);
  // What password a proof was made of cannot be known: each counts.
  if (outcome == Outcome::kRefused) CountFailure(source, std::nullopt, login, client);
  if (outcome == Outcome::kOk) CountSuccess(source);
  challenged_.erase(client.session.value());
}

}  // namespace poplar::auth
