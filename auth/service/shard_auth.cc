#include "auth/service/shard_auth.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "auth/service/fair_key.h"
#include "auth/users/address.h"
#include "core/base/check.h"
#include "core/base/limits.h"

namespace poplar::auth {
namespace {

AuthResult Refused(std::string_view reason) {
  AuthResult result;
  result.outcome = Outcome::kRefused;
  result.reason = reason;
  return result;
}

}  // namespace

ShardAuthImpl::ShardAuthImpl(AuthContext& context, io::Shard& shard)
    : context_(context),
      shard_(shard),
      hasher_(context.key),
      home_(context, shard.reactor(), metrics_, faults_),
      resolved_({.ttl_ms = std::min(context.options.resolve_cache_ttl_ms, kResolveCacheTtlMsMax),
                 .entries_max = context.options.resolve_cache_entries_max}) {}

ShardAuthImpl::~ShardAuthImpl() { POP_CHECK(idle()); }

bool ShardAuthImpl::idle() const {
  return home_.idle() && attempts_.empty() && resolves_.empty() && verifier_calls_.empty() &&
         token_calls_.empty() && flushes_.empty();
}

void ShardAuthImpl::AnswerLogin(AuthResult result, io::Completion<AuthResult>& done) {
  metrics_.of(result.outcome).Add();
  done.Set(std::move(result));
}

void ShardAuthImpl::VerifyPassword(std::string user, base::Secret password, ClientInfo client,
                                   io::Completion<AuthResult>& done) {
  if (!capabilities().password) {
    AuthResult result;
    result.outcome = Outcome::kUnsupported;
    return AnswerLogin(std::move(result), done);
  }
  if (password.empty()) return AnswerLogin(Refused("empty password"), done);
  if (user.empty() || user.size() > kAddressBytesMax) {
    return AnswerLogin(Refused("no login name of ours"), done);
  }
  LoginQuestion question;
  question.login = LookupKey(user);
  question.macs = hasher_.OfLogin(question.login, password);
  const bool at_home = context_.HomeOf(question.macs.name) == shard_.index();
  if (at_home) {
    if (const Principal* principal = home_.FindRemembered(question.macs)) {
      return AnswerLogin({.outcome = Outcome::kOk, .principal = *principal, .reason = kFromCache},
                         done);
    }
  }
  question.password = std::move(password);
  const LoginAttempt::Origin origin{.prefix = AddressPrefix(client.address), .done = &done};
  attempts_.Add(std::make_unique<LoginAttempt>(*this, std::move(question), origin)).Begin(at_home);
}

void ShardAuthImpl::CountFault(bool temporary, bool in_time, const std::string& reason) {
  if (!in_time) {
    metrics_.deadlines.Add();
  } else if (temporary) {
    metrics_.backend_failures.Add();
    faults_.Note(reason, now_us());
  }
}

template <class Result>
void ShardAuthImpl::AskChain(Pending<ChainCall<Result>>& calls, uint64_t key,
                             typename ChainCall<Result>::Question question,
                             typename ChainCall<Result>::Answer answer) {
  ChainCall<Result>& call = calls.Add(std::make_unique<ChainCall<Result>>(
      shard_.reactor(), context_.chain, std::move(question), std::move(answer),
      [&calls](ChainCall<Result>& ended) { calls.End(ended); }));
  if (call.Start(*context_.pools.lookup, key, context_.options.deadline_ms)) return;
  metrics_.queue_full.Add();
  call.Refuse("too many questions wait for the back ends");
  calls.End(call);
}

void ShardAuthImpl::Resolve(std::string address, io::Completion<ResolveResult>& done) {
  std::string key = LookupKey(address);
  ResolveResult result;
  if (const Principal* principal = resolved_.Find(key, now_us())) {
    metrics_.resolve_cache_hits.Add();
    result = {.outcome = ResolveOutcome::kFound, .principal = *principal, .reason = kFromCache};
  } else if (key.empty() || key.size() > kAddressBytesMax) {
    result.outcome = ResolveOutcome::kUnknown;
    result.reason = "no address of ours";
  } else {
    const uint64_t fair_key = FairKey(key);
    AskChain<ResolveResult>(
        resolves_, fair_key, [key](Chain& chain) { return chain.Resolve(key); },
        [this, key, seen = changes_seen_, &done](ResolveResult answer, bool in_time) {
          CountFault(answer.outcome == ResolveOutcome::kTemporary, in_time, answer.reason);
          if (answer.outcome == ResolveOutcome::kFound && seen == changes_seen_) {
            resolved_.Insert(key, answer.principal, now_us());
          }
          metrics_.of(answer.outcome).Add();
          done.Set(std::move(answer));
        });
    return;
  }
  metrics_.of(result.outcome).Add();
  done.Set(std::move(result));
}

void ShardAuthImpl::FetchVerifier(std::string user, std::string mechanism, ClientInfo /*client*/,
                                  io::Completion<VerifierResult>& done) {
  if (!capabilities().verifiers) {
    VerifierResult result;
    result.outcome = Outcome::kUnsupported;
    done.Set(std::move(result));
    return;
  }
  std::string login = LookupKey(user);
  const uint64_t fair_key = FairKey(login);
  AskChain<VerifierResult>(
      verifier_calls_, fair_key,
      [login = std::move(login), mechanism = std::move(mechanism)](Chain& chain) {
        return chain.FetchVerifier(login, mechanism);
      },
      [this, &done](VerifierResult answer, bool in_time) {
        CountFault(answer.outcome == Outcome::kTemporary, in_time, answer.reason);
        done.Set(std::move(answer));
      });
}

void ShardAuthImpl::VerifyToken(std::string user, base::Secret token, ClientInfo client,
                                io::Completion<AuthResult>& done) {
  if (!capabilities().token) {
    AuthResult result;
    result.outcome = Outcome::kUnsupported;
    return AnswerLogin(std::move(result), done);
  }
  std::string login = LookupKey(user);
  const uint64_t fair_key = FairKey(login);
  AskChain<AuthResult>(
      token_calls_, fair_key,
      [login = std::move(login), token = std::move(token)](Chain& chain) {
        return chain.VerifyToken(login, token);
      },
      [this, prefix = AddressPrefix(client.address), &done](AuthResult answer, bool in_time) {
        CountFault(answer.outcome == Outcome::kTemporary, in_time, answer.reason);
        if (answer.outcome == Outcome::kRefused) context_.throttle.AddFailure(prefix, now_us());
        AnswerLogin(std::move(answer), done);
      });
}

void ShardAuthImpl::ForgetEverywhere(BackendChanges changes, io::Completion<Status>& done) {
  flushes_
      .Add(std::make_unique<Forgetting>(context_, std::move(changes),
                                        [this, &done](Forgetting& ended) {
                                          flushes_.End(ended);
                                          done.Set(OkStatus());
                                        }))
      .Begin(shard_);
}

void ShardAuthImpl::Forget(const BackendChanges& changes) {
  ++changes_seen_;
  if (changes.everything) {
    home_.ForgetAll();
    resolved_.Clear();
    return;
  }
  for (const std::string& login : changes.logins) {
    home_.Forget(hasher_.OfName(login));
    resolved_.Erase(login);
  }
}

}  // namespace poplar::auth
