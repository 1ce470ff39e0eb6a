#include "auth/service/login_home.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "auth/service/domain_owner.h"
#include "auth/users/address.h"
#include "auth/users/networks.h"
#include "core/base/check.h"

namespace poplar::auth {
// One question, and everybody who waits for its answer.
class LoginHome::Verification {
 public:
  Verification(LoginHome& home, const LoginQuestion& question)
      : generation(home.tenants_.generation()),
        changes_seen(home.changes_.count()),
        tenant(home.TenantOf(question.login)),
        macs_(question.macs),
        login_(question.login),
        client_address_(question.client.address),
        walk_(home.chain_, QuestionOf(question), home.context_.options.deadline_ms,
              [this, &home](ChainWalk&) { home.OnEnd(*this); }) {}

  void Begin() { walk_.Begin(); }
  void Join(LoginAsker& asker) { askers_.push_back(&asker); }
  void AnswerAll(const AuthResult& result) {
    for (LoginAsker* asker : std::exchange(askers_, {})) asker->Answer(result);
  }

  const LoginMacs& macs() const { return macs_; }
  const std::string& login() const { return login_; }
  Equal equal() const { return {macs_.login, client_address_}; }
  BackendAnswer& answer() { return walk_.result(); }
  const std::shared_ptr<const ChainOrder>& order() const { return walk_.order(); }

  const uint64_t generation;             // Of the policies, when it was asked,
  const uint64_t changes_seen;           // of users as well,
  const std::optional<TenantId> tenant;  // and whose the domain was then.
  // Something changed about its name since it was asked: not to be remembered, nor to be joined.
  bool stale = false;

 private:
  static BackendQuestion QuestionOf(const LoginQuestion& question) {
    BackendQuestion asked;
    asked.operation = Operation::kVerifyPassword;
    asked.login = question.login;
    asked.secret = question.password.Copy();
    asked.client = question.client;
    return asked;
  }

  const LoginMacs macs_;
  const std::string login_;
  const std::string client_address_;
  ChainWalk walk_;
  std::vector<LoginAsker*> askers_;
};

LoginHome::LoginHome(AuthContext& context, Chain& chain, io::Reactor& reactor, AuthMetrics& metrics,
                     FaultLog& faults, const RecentChanges& changes)
    : context_(context),
      chain_(chain),
      reactor_(reactor),
      metrics_(metrics),
      faults_(faults),
      changes_(changes),
      tenants_(context.tenants),
      remembered_(
          {.ttl_ms = std::min(context.options.password_cache_ttl_ms, kPasswordCacheTtlMsMax),
           .entries_max = context.options.password_cache_entries_max}),
      standby_(context.tenants, context.options.password_cache_entries_max) {}

LoginHome::~LoginHome() { POP_CHECK(idle()); }

std::optional<TenantId> LoginHome::TenantOf(std::string_view login) {
  const TenantPolicies::Domain* const owner = tenants_.Current().OfDomain(DomainOf(login));
  return owner == nullptr ? std::nullopt : std::optional(owner->tenant);
}

bool LoginHome::IsAsBefore(std::string_view login, const Remembered& found) {
  return Serves(tenants_.Current(), DomainOf(login), found.result.principal.tenant) &&
         chain_.OrderOf(login) == found.order;
}

const AuthResult* LoginHome::FindRemembered(const LoginQuestion& question) {
  const Remembered* found = remembered_.Find(question.macs.name, reactor_.now_us());
  const bool usable =
      found != nullptr && found->login == question.macs.login &&
      found->until_us > reactor_.now_us() &&
      (found->from_networks.empty() || InNetworks(found->from_networks, question.client.address)) &&
      IsAsBefore(question.login, *found);
  if (!usable) {
    metrics_.cache_misses.Add();
    return nullptr;
  }
  metrics_.cache_hits.Add();
  return &found->result;
}

void LoginHome::Verify(const LoginQuestion& question, LoginAsker& asker) {
  tenants_.Current();
  const auto found = joinable_.find({question.macs.login, question.client.address});
  if (found != joinable_.end()) {
    if (found->second->generation == tenants_.generation()) {
      metrics_.coalesced.Add();
      found->second->Join(asker);
      return;
    }
    // It leaves the map, so nobody could tell it later.
    found->second->stale = true;
  }
  Verification& verification = under_way_.Add(std::make_unique<Verification>(*this, question));
  verification.Join(asker);
  joinable_.insert_or_assign(verification.equal(), &verification);
  verification.Begin();
}

void LoginHome::Forget(const Mac& name) {
  remembered_.Erase(name);
  standby_.Forget(name);
  metrics_.cache_entries.Set(static_cast<int64_t>(remembered_.size()));
  absl::erase_if(joinable_, [&](const auto& entry) {
    const bool same = entry.second->macs().name == name;
    if (same) entry.second->stale = true;
    return same;
  });
}

void LoginHome::ForgetAll(bool standby) {
  remembered_.Clear();
  if (standby) standby_.ForgetAll();
  metrics_.cache_entries.Set(0);
  MarkAllStale();
}

void LoginHome::ForgetUser(const PrincipalTest& is_his) {
  remembered_.EraseIf(
      [&](const Remembered& remembered) { return is_his(remembered.result.principal); });
  standby_.ForgetUser(is_his);
  metrics_.cache_entries.Set(static_cast<int64_t>(remembered_.size()));
  MarkAllStale();  // Whoever that will be.
}

// An answer is remembered only of whose the domain was when it was asked: so these are all.
void LoginHome::ForgetTenants(const std::unordered_set<TenantId>& tenants) {
  remembered_.EraseIf([&](const Remembered& remembered) {
    return tenants.contains(remembered.result.principal.tenant);
  });
  metrics_.cache_entries.Set(static_cast<int64_t>(remembered_.size()));
  absl::erase_if(joinable_, [&](const auto& entry) {
    const bool theirs = entry.second->tenant && tenants.contains(*entry.second->tenant);
    if (theirs) entry.second->stale = true;
    return theirs;
  });
}

void LoginHome::MarkAllStale() {
  for (const auto& [equal, verification] : joinable_) verification->stale = true;
  joinable_.clear();
}

void LoginHome::OnEnd(Verification& verification) {
  LeaveJoinable(verification);
  BackendAnswer& answer = verification.answer();
  if (answer.asked_us > 0) metrics_.verify_us.Observe(answer.asked_us);
  CountFault(answer, reactor_.now_us(), metrics_, faults_);
  std::string from_networks = std::move(answer.from_networks);
  const uint64_t remember_us = uint64_t{answer.remember_ms_max} * 1'000;
  AuthResult result = ToAuthResult(std::move(answer));
  if (result.outcome == Outcome::kTemporary) {
    UseStandby(verification.macs(), result);
  } else if (!verification.stale) {
    KeepStandby(verification, result, from_networks);
  }
  if (result.outcome == Outcome::kOk &&
      changes_.AreAbout(result.principal, verification.login(), verification.changes_seen)) {
    result = ChangedMeanwhile();
  }
  const bool is_its_tenants = verification.tenant == result.principal.tenant;
  if (result.outcome == Outcome::kOk && is_its_tenants && !verification.stale && remember_us > 0) {
    Remembered remembered{verification.macs().login, result, std::move(from_networks),
                          reactor_.now_us() + remember_us, verification.order()};
    remembered.result.reason = kFromCache;
    remembered_.Insert(verification.macs().name, std::move(remembered), reactor_.now_us());
    metrics_.cache_entries.Set(static_cast<int64_t>(remembered_.size()));
  }
  verification.AnswerAll(result);
  under_way_.End(verification);
}

// Also where something changed meanwhile: had it been about this name, nothing would be kept.
void LoginHome::UseStandby(const LoginMacs& macs, AuthResult& result) {
  const Principal* const before = standby_.Find(macs, reactor_.now_us());
  if (before == nullptr) {
    result.is_guess = standby_.HasAnother(macs, reactor_.now_us());
    return;
  }
  metrics_.standby_logins.Add();
  result = {.outcome = Outcome::kOk,
            .principal = *before,
            .reason = "as it was right before: " + result.reason};
}

void LoginHome::KeepStandby(const Verification& verification, const AuthResult& result,
                            std::string_view from_networks) {
  // What counts from some places or up to a day, only its back end can judge.
  const bool has_terms = !result.app_password.empty() || !from_networks.empty();
  if (result.outcome == Outcome::kOk && !has_terms) {
    standby_.Keep(verification.macs(), verification.login(), result.principal, reactor_.now_us());
  } else if (result.outcome == Outcome::kOk || result.outcome == Outcome::kRefused ||
             result.outcome == Outcome::kDisabled) {
    standby_.Drop(verification.macs());
  }
}

void LoginHome::LeaveJoinable(Verification& verification) {
  const auto found = joinable_.find(verification.equal());
  if (found != joinable_.end() && found->second == &verification) joinable_.erase(found);
}

}  // namespace poplar::auth
