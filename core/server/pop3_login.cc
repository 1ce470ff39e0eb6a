// Log-in: credentials to the directory, the maildrop from the store, and the wait for a lease that
// is about to be free.

#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/login_domain.h"
#include "core/base/probes.h"
#include "core/base/recent_name.h"
#include "core/server/address_owner.h"
#include "core/server/lease_probe.h"
#include "core/server/outcome_table.h"
#include "core/server/pause.h"
#include "core/server/pop3_driver.h"

namespace poplar::server {
namespace {

// A session that closes while the next one logs in (a phone that reconnects) is worth this wait.
constexpr uint64_t kClosingWaitMs = 1000;
constexpr uint64_t kClosingRetryMs = 20;

}  // namespace

void Pop3Driver::TakeRecent(std::string_view& name) {
  recent_ = pop3_.recent_days > 0 && TakeRecentPrefix(name);
}

std::string Pop3Driver::LoginName(std::string user) {
  std::string_view name = user;
  TakeRecent(name);
  if (recent_) user = std::string(name);
  if (!user.empty() && user.find('@') == std::string::npos) {
    const std::string domain = LoginDomainOf(services_.policies.Current(), server_name());
    if (!domain.empty()) user += "@" + domain;
  }
  claimed_user_ = user.substr(0, kClaimedUserBytesMax);
  return user;
}

io::Task<void> Pop3Driver::VerifyPassword(std::string user, base::Secret password) {
  const uint64_t since_us = services_.reactor().now_us();
  word_since_us_ = since_us;
  CountAbandoned();  // Before it is another's name.
  user = LoginName(std::move(user));
  mechanism_ = "USER";
  io::Completion<auth::AuthResult> verified;
  services_.auth.VerifyPassword(std::move(user), std::move(password), Client(), verified);
  WatchForLeaving();
  auth::AuthResult result = co_await verified;
  stream_.WatchPeer(nullptr, nullptr);
  co_await FinishLogin(std::move(result), since_us);
}

void Pop3Driver::WatchForLeaving() {
  stream_.WatchPeer(this, [](void* self) {
    auto* const driver = static_cast<Pop3Driver*>(self);
    driver->services_.auth.Leave(driver->id());
  });
}

// RFC 4422 appendix A: the kernel said at the door who this is, and he says whose mail he wants.
io::Task<void> Pop3Driver::StepExternal(std::optional<base::Secret> response) {
  if (!response) {
    session_.SaslChallenge("", stream_.output());
    co_return;
  }
  const uint64_t since_us = services_.reactor().now_us();
  std::string address(response->Reveal());
  claimed_user_ = address.substr(0, kClaimedUserBytesMax);
  io::Completion<auth::ResolveResult> resolved;
  services_.auth.Resolve(std::move(address), resolved);
  auth::ResolveResult owner = co_await resolved;
  auth::AuthResult result;
  result.outcome = ToAuth(owner.outcome);
  result.principal = std::move(owner.principal);
  result.reason = std::move(owner.reason);
  co_await FinishLogin(std::move(result), since_us);
}

io::Task<void> Pop3Driver::FinishLogin(auth::AuthResult result, uint64_t since_us) {
  pop3::LoginOutcome outcome = ToPop3(result.outcome);
  if (outcome == pop3::LoginOutcome::kOk) outcome = co_await Admit(&result);
  const bool is_refused = outcome == pop3::LoginOutcome::kBadCredentials;
  outcome = session_.AsTold(outcome);
  const uint64_t took_us = services_.reactor().now_us() - since_us;
  services_.metrics.login_us.Observe(took_us);
  POPLAR_PROBE_LOGIN(id().value(), claimed_user_.c_str(), pop3::Name(outcome).data(), took_us);
  LogLogin(pop3::Name(outcome), result);
  if (outcome == pop3::LoginOutcome::kLimited) co_await HoldBack();
  if (is_refused) co_await HoldToStep(word_since_us_, pop3_.refusal_step_ms);
  // Nothing was looked at: the session says why it ends, to a wrong word as to a right one.
  if (outcome == pop3::LoginOutcome::kThrottled && end_cause()) co_return;
  session_.LoginDone(outcome, view_ ? &*view_ : nullptr, stream_.output());
}

io::Task<pop3::LoginOutcome> Pop3Driver::Admit(auth::AuthResult* result) {
  const auth::Principal& principal = result->principal;
  const uint64_t since_us = services_.reactor().now_us();
  // Who takes mail out for the operator is no customer.
  if (!pop3_.session.exports) {
    const auto recent_max = recent_ ? std::optional(pop3_.recent_sessions_max) : std::nullopt;
    const AdmissionVerdict verdict =
        admission_.Enter(services_.policies.Current(), {.principal = &principal,
                                                        .peer = peer_,
                                                        .transport = Grade(),
                                                        .mechanism = mechanism_,
                                                        .now_us = since_us,
                                                        .recent_sessions_max = recent_max});
    if (verdict != AdmissionVerdict::kAdmitted) {
      if (verdict == AdmissionVerdict::kTooManyRecent) services_.metrics.recent_refused.Add();
      result->reason = Reason(verdict);
      co_return ToPop3(verdict);
    }
    session_.SetMechanisms(admission_.terms().mechanisms &
                           services_.auth.MechanismsOf(principal.tenant));
  }
  principal_ = principal;  // From now on the session is his for who looks for his sessions.
  storage::MaildropKey key{principal.tenant, principal.account};
  storage::OpenResult opened = co_await OpenMaildrop(std::move(key));
  const pop3::LoginOutcome outcome = ToPop3(opened.outcome);
  messages_at_login_ = opened.maildrop ? opened.maildrop->count() : 0;
  POPLAR_PROBE_OPEN(id().value(), principal.address.c_str(), pop3::Name(outcome).data(),
                    messages_at_login_, services_.reactor().now_us() - since_us);
  if (outcome != pop3::LoginOutcome::kOk) {
    admission_.Leave();
    principal_ = {};
    if (!opened.why.ok()) result->reason = Message(opened.why);
    co_return outcome;
  }
  maildrop_ = std::move(opened.maildrop);
  MakeView();
  old_before_us_ = base::SystemClock().WallUs() - kOldMessageUs;
  admission_.LoggedIn(since_us);
  const uint64_t idle_timeout_ms = uint64_t{admission_.terms().idle_timeout_s} * 1'000;
  if (idle_timeout_ms > 0) stream_.LimitIdleTimeout(idle_timeout_ms);
  session_.SetTerms(services_.terms.Of(principal_.tenant));
  login_timer_.Disarm();
  if (pop3_.session_age_max_ms > 0) age_timer_.Arm(pop3_.session_age_max_ms);
  services_.metrics.pop3_sessions.Add(1);
  co_return outcome;
}

void Pop3Driver::MakeView() {
  if (!recent_) {
    view_.emplace(*maildrop_);
    return;
  }
  constexpr int64_t kDayUs = 86'400'000'000;
  const int64_t now_us = base::SystemClock().WallUs();
  view_.emplace(*maildrop_, now_us - int64_t{pop3_.recent_days} * kDayUs);
  services_.metrics.recent_sessions.Add();
}

// Of a way by several, the worst counts.
TransportGrade Pop3Driver::Grade() const {
  if (!tls_) return TransportGrade::kClear;
  TransportGrade grade = TransportGrade::kTls13;
  if (stream_.tls() != nullptr && stream_.tls()->version() != TLS1_3_VERSION) {
    grade = TransportGrade::kTls12;
  }
  const bool told = proxied() != nullptr && proxied()->tls.has_value();
  return told ? std::min(grade, GradeOf(proxied()->tls->version)) : grade;
}

io::Task<storage::OpenResult> Pop3Driver::OpenMaildrop(storage::MaildropKey key) {
  const uint64_t since_us = services_.reactor().now_us();
  bool waited = false;
  while (true) {
    io::Completion<storage::OpenResult> opened;
    if (recent_) {
      services_.store.OpenToRead(key, opened);
    } else {
      services_.store.Open(key, id(), opened);
    }
    storage::OpenResult result = co_await opened;
    const uint64_t now_us = services_.reactor().now_us();
    if (result.outcome != storage::OpenOutcome::kInUse) {
      services_.metrics.open_us.Observe(now_us - since_us);
      co_return result;
    }
    io::Completion<HolderState> looked;
    LeaseProbe probe(services_, result.held_by, looked);
    const HolderState holder = co_await looked;
    if (holder == HolderState::kAlive || now_us - since_us > kClosingWaitMs * 1000) {
      services_.metrics.lease_conflicts.Add();
      co_return result;
    }
    if (!waited) services_.metrics.lease_waits.Add();
    waited = true;
    io::Completion<PauseOver> over;
    Pause pause(services_.reactor(), kClosingRetryMs, over);
    co_await over;
  }
}

void Pop3Driver::LogLogin(std::string_view outcome, const auth::AuthResult& result) {
  const std::string& known = result.principal.address;
  std::string_view tenant = result.principal.tenant_name;
  // A claimed name that was cut may end in another's domain.
  if (tenant.empty() && claimed_user_.size() < kClaimedUserBytesMax) {
    tenant = TenantNameOf(services_.policies.Current(), claimed_user_);
  }
  base::Log(base::LogLevel::kInfo, "login",
            {{"session", id().value()},
             {"protocol", "pop3"},
             {"tenant", tenant},
             {"user", known.empty() ? claimed_user_ : known},
             {"peer", peer_.HostText()},
             {"tls", tls_},
             {"outcome", outcome},
             {"reason", result.reason},
             {"mechanism", mechanism_},
             {"app_password", result.app_password},
             {"recent", recent_},
             {"proxy", ProxyText()}});
}

}  // namespace poplar::server
