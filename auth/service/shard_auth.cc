#include "auth/service/shard_auth.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "auth/service/domain_owner.h"
#include "auth/service/login_source.h"
#include "auth/service/results.h"
#include "auth/users/address.h"
#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/log.h"

namespace poplar::auth {
ShardAuthImpl::ShardAuthImpl(AuthContext& context, io::Shard& shard)
    : context_(context),
      shard_(shard),
      tenants_(context.tenants),
      chain_(context.LinksFor(shard), context.configured_links(), context.tenants,
             *context.pools.hashers, context.verifiers, *context.pools.hash, shard.reactor()),
      hasher_(context.key),
      waiting_room_(shard.reactor(), context.throttle, context.options.throttle.waiting_max,
                    metrics_),
      home_(context, chain_, shard.reactor(), metrics_, faults_, recent_changes_),
      resolved_({.ttl_ms = std::min(context.options.resolve_cache_ttl_ms, kResolveCacheTtlMsMax),
                 .entries_max = context.options.resolve_cache_entries_max}) {}

ShardAuthImpl::~ShardAuthImpl() { POP_CHECK(idle()); }

bool ShardAuthImpl::idle() const {
  return home_.idle() && attempts_.empty() && walks_.empty() && waits_.empty() && probes_.empty() &&
         flushes_.empty() && chain_.idle();
}

void ShardAuthImpl::Register(base::MetricRegistry& registry) const {
  metrics_.Register(registry);
  for (const ChainLink& link : chain_.links()) link.port->Register(registry);
}

void ShardAuthImpl::AnswerLogin(AuthResult result, io::Completion<AuthResult>& done) {
  metrics_.of(result.outcome).Add();
  done.Set(std::move(result));
}

void ShardAuthImpl::VerifyPassword(std::string user, base::Secret password, ClientInfo client,
                                   io::Completion<AuthResult>& done) {
  if (password.empty()) return AnswerLogin(Refused("empty password"), done);
  if (!IsLoginName(user)) return AnswerLogin(Refused(kNoLoginName), done);
  LoginQuestion question;
  question.login = LookupKey(user);
  question.macs = hasher_.OfLogin(question.login, password);
  question.password = std::move(password);
  question.client = std::move(client);
  const LoginAttempt::Origin origin{
      .source = SourceOf(hasher_, question.login, question.client.address), .done = &done};
  const bool at_home = context_.HomeOf(question.macs.name) == shard_.index();
  Admission admission = context_.throttle.Admit(origin.source, now_us());
  // Who has to wait hears nothing before.
  const bool asks_cache = at_home && admission.under_way;
  if (asks_cache) {
    if (const AuthResult* remembered = home_.FindRemembered(question)) {
      CountSuccess(origin.source);
      return AnswerLogin(*remembered, done);
    }
  }
  attempts_.Add(std::make_unique<LoginAttempt>(*this, std::move(question), origin))
      .Begin(std::move(admission), asks_cache);
}

void ShardAuthImpl::CountFailure(const LoginSource& source, std::optional<uint64_t> guess,
                                 const std::string& login, const ClientInfo& client) {
  const Throttle::Counted counted = context_.throttle.AddFailure(source, guess, now_us());
  if (counted.repeated) metrics_.repeated_failures.Add();
  TellOf(counted, login, client);
}

void ShardAuthImpl::CountNotAsked(const LoginSource& source, const std::string& login,
                                  const ClientInfo& client) {
  TellOf(context_.throttle.AddNotAsked(source, now_us()), login, client);
}

void ShardAuthImpl::TellOf(const Throttle::Counted& counted, const std::string& login,
                           const ClientInfo& client) {
  for (size_t i = 0; i < kPenalties; ++i) {
    if (!counted.begun[i]) continue;
    const auto penalty = static_cast<PenaltyOf>(i);
    metrics_.of(penalty).begun.Add();
    base::Log(base::LogLevel::kInfo, "penalty",
              {{"by", Name(penalty)}, {"user", login}, {"peer", client.address}});
  }
}

void ShardAuthImpl::CountSuccess(const LoginSource& source) {
  context_.throttle.AddSuccess(source.user, source.place, now_us());
}

void ShardAuthImpl::AskChain(BackendQuestion question,
                             absl::AnyInvocable<void(BackendAnswer)> done) {
  walks_
      .Add(std::make_unique<ChainWalk>(chain_, std::move(question), context_.options.deadline_ms,
                                       [this, done = std::move(done)](ChainWalk& walk) mutable {
                                         BackendAnswer answer = std::move(walk.result());
                                         walks_.End(walk);
                                         CountFault(answer, now_us(), metrics_, faults_);
                                         done(std::move(answer));
                                       }))
      .Begin();
}

void ShardAuthImpl::Resolve(std::string address, io::Completion<ResolveResult>& done) {
  std::string key = LookupKey(address);
  ResolveResult result;
  const Principal* const principal = resolved_.Find(key, now_us());
  // The domain may have gone to another tenant since.
  if (principal != nullptr && Serves(tenants_.Current(), DomainOf(key), principal->tenant)) {
    metrics_.resolve_cache_hits.Add();
    result = {.outcome = ResolveOutcome::kFound, .principal = *principal, .reason = kFromCache};
  } else if (key.empty() || key.size() > kAddressBytesMax) {
    result.outcome = ResolveOutcome::kUnknown;
    result.reason = "no address of ours";
  } else {
    BackendQuestion question;
    question.login = key;
    AskChain(std::move(question), [this, key, seen = changes_seen_, &done](BackendAnswer answer) {
      if (answer.outcome == BackendOutcome::kUnsupported) answer = NobodyKnows(key);
      ResolveResult found = ToResolveResult(std::move(answer));
      if (found.outcome == ResolveOutcome::kFound && seen == changes_seen_) {
        resolved_.Insert(key, found.principal, now_us());
      }
      metrics_.of(found.outcome).Add();
      done.Set(std::move(found));
    });
    return;
  }
  metrics_.of(result.outcome).Add();
  done.Set(std::move(result));
}

BackendAnswer ShardAuthImpl::NobodyKnows(const std::string& address) {
  return tenants_.Current().OfDomain(DomainOf(address)) == nullptr
             ? Say(BackendOutcome::kUnknown, "unknown domain")
             : Say(BackendOutcome::kTemporary, "no back end of the chain knows addresses");
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

void ShardAuthImpl::Probe(std::string login, ProbedSecret tried,
                          io::Completion<std::vector<LinkReport>>& done) {
  probes_
      .Add(std::make_unique<ChainProbe>(chain_, std::move(login), std::move(tried),
                                        context_.options.deadline_ms,
                                        [this, &done](ChainProbe& probe) {
                                          std::vector<LinkReport> said = std::move(probe.reports());
                                          probes_.End(probe);
                                          done.Set(std::move(said));
                                        }))
      .Begin();
}

void ShardAuthImpl::Forget(const BackendChanges& changes) {
  ++changes_seen_;
  if (changes.everything) {
    home_.ForgetAll(changes.standby);
    resolved_.Clear();
  }
  for (const std::string& login : changes.logins) {
    home_.Forget(hasher_.OfName(login));
    resolved_.Erase(login);
  }
  if (!changes.tenants.empty()) {
    home_.ForgetTenants(changes.tenants);
    resolved_.EraseIf(
        [&](const Principal& principal) { return changes.tenants.contains(principal.tenant); });
  }
  const auto forget_user = [&](const PrincipalTest& is_his) {
    home_.ForgetUser(is_his);
    resolved_.EraseIf(is_his);
  };
  for (const std::string& address : changes.addresses) {
    recent_changes_.AddAddress(address);
    forget_user([&](const Principal& principal) { return IsAddressOf(principal, address); });
  }
  for (const auto& [tenant, account] : changes.accounts) {
    recent_changes_.AddAccount(tenant, account);
    forget_user([&](const Principal& principal) {
      return principal.tenant == tenant && principal.account == account;
    });
  }
}

}  // namespace poplar::auth
