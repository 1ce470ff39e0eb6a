#include "auth/service/login_home.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "auth/service/fair_key.h"
#include "core/base/check.h"

namespace poplar::auth {
namespace {

AuthResult Temporary(std::string_view reason) {
  AuthResult result;
  result.outcome = Outcome::kTemporary;
  result.reason = reason;
  return result;
}

}  // namespace

// One computation, and everybody who waits for it.
class LoginHome::Verification : public PoolCall {
 public:
  Verification(LoginHome& home, LoginQuestion question)
      : PoolCall(home.reactor_), home_(home), question_(std::move(question)) {}

  [[nodiscard]] bool Begin() {
    const AuthContext& context = home_.context_;
    return Start(*context.pools.hash, FairKey(question_.login), context.options.deadline_ms);
  }
  void Join(LoginAsker& asker) { askers_.push_back(&asker); }
  void AnswerAll(const AuthResult& result) {
    for (LoginAsker* asker : std::exchange(askers_, {})) asker->Answer(result);
  }

  const LoginMacs& macs() const { return question_.macs; }
  const AuthResult& result() const { return result_; }
  bool was_asked() const { return asked(); }
  uint64_t verify_us() const { return asked_us(); }

  // Something changed about its name since it was asked: not to be remembered, nor to be joined.
  bool stale = false;

 private:
  void Ask() override {
    result_ = home_.context_.chain.VerifyPassword(question_.login, question_.password);
  }
  void OnDeadline() override {
    home_.metrics_.deadlines.Add();
    stale = true;  // Forget does not find it any more.
    home_.LeaveJoinable(*this);
    AnswerAll(Temporary("the password was not verified in time"));
  }
  void OnEnd() override { home_.OnEnd(*this); }

  LoginHome& home_;
  const LoginQuestion question_;
  AuthResult result_;  // Written on the pool's thread.
  std::vector<LoginAsker*> askers_;
};

LoginHome::LoginHome(AuthContext& context, io::Reactor& reactor, AuthMetrics& metrics,
                     FaultLog& faults)
    : context_(context),
      reactor_(reactor),
      metrics_(metrics),
      faults_(faults),
      remembered_(
          {.ttl_ms = std::min(context.options.password_cache_ttl_ms, kPasswordCacheTtlMsMax),
           .entries_max = context.options.password_cache_entries_max}) {}

LoginHome::~LoginHome() { POP_CHECK(idle()); }

const Principal* LoginHome::FindRemembered(const LoginMacs& macs) {
  const Remembered* found = remembered_.Find(macs.name, reactor_.now_us());
  if (found == nullptr || found->login != macs.login) {
    metrics_.cache_misses.Add();
    return nullptr;
  }
  metrics_.cache_hits.Add();
  return &found->principal;
}

void LoginHome::Verify(const LoginQuestion& question, LoginAsker& asker) {
  const auto found = joinable_.find(question.macs.login);
  if (found != joinable_.end()) {
    metrics_.coalesced.Add();
    found->second->Join(asker);
    return;
  }
  Verification& verification = under_way_.Add(std::make_unique<Verification>(
      *this, LoginQuestion{question.login, question.password.Copy(), question.macs}));
  if (!verification.Begin()) {
    under_way_.End(verification);
    metrics_.queue_full.Add();
    asker.Answer(Temporary("too many log-ins wait to be verified"));
    return;
  }
  verification.Join(asker);
  joinable_.emplace(question.macs.login, &verification);
}

void LoginHome::Forget(const Mac& name) {
  remembered_.Erase(name);
  metrics_.cache_entries.Set(static_cast<int64_t>(remembered_.size()));
  absl::erase_if(joinable_, [&](const auto& entry) {
    const bool same = entry.second->macs().name == name;
    if (same) entry.second->stale = true;
    return same;
  });
}

void LoginHome::ForgetAll() {
  remembered_.Clear();
  metrics_.cache_entries.Set(0);
  for (const auto& [login, verification] : joinable_) verification->stale = true;
  joinable_.clear();
}

void LoginHome::OnEnd(Verification& verification) {
  LeaveJoinable(verification);
  if (verification.was_asked()) {
    const AuthResult& result = verification.result();
    metrics_.verify_us.Observe(verification.verify_us());
    if (result.outcome == Outcome::kTemporary) {
      metrics_.backend_failures.Add();
      faults_.Note(result.reason, reactor_.now_us());
    }
    if (result.outcome == Outcome::kOk && !verification.stale) {
      remembered_.Insert(verification.macs().name, {verification.macs().login, result.principal},
                         reactor_.now_us());
      metrics_.cache_entries.Set(static_cast<int64_t>(remembered_.size()));
    }
    verification.AnswerAll(result);
  }
  under_way_.End(verification);
}

void LoginHome::LeaveJoinable(Verification& verification) {
  const auto found = joinable_.find(verification.macs().login);
  if (found != joinable_.end() && found->second == &verification) joinable_.erase(found);
}

}  // namespace poplar::auth
