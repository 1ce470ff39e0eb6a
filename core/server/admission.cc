#include "core/server/admission.h"

#include <xxhash.h>

#include <limits>
#include <string>

#include "core/base/check.h"
#include "core/base/units.h"

namespace poplar::server {
namespace {

// Log-ins come in bursts: all of an office at nine. So many seconds' worth may come at once.
constexpr uint64_t kLoginBurstUs = 10'000'000;
// What goes out of a tenant may be so far ahead of its rate.
constexpr uint64_t kEgressBurstUs = 1'000'000;
constexpr uint32_t kUnlimited = std::numeric_limits<uint32_t>::max();

uint32_t LimitOf(uint32_t setting) { return setting == 0 ? kUnlimited : setting; }

uint64_t HashOf(const auth::Principal& principal, uint64_t seed) {
  return XXH3_64bits_withSeed(principal.account.data(), principal.account.size(),
                              seed ^ principal.tenant.value());
}

}  // namespace

TransportGrade GradeOf(std::string_view tls_version) {
  if (tls_version == "TLSv1.3") return TransportGrade::kTls13;
  const bool is_tls12 = tls_version == "TLSv1.2" || tls_version.empty();
  return is_tls12 ? TransportGrade::kTls12 : TransportGrade::kClear;
}

std::string_view Reason(AdmissionVerdict verdict) {
  switch (verdict) {
    case AdmissionVerdict::kAdmitted:
      return "";
    case AdmissionVerdict::kPop3Off:
      return "the tenant has no POP3";
    case AdmissionVerdict::kUserPop3Off:
      return "the user has no POP3";
    case AdmissionVerdict::kTlsRequired:
      return "the tenant requires TLS";
    case AdmissionVerdict::kMechanismOff:
      return "the tenant does not allow this mechanism";
    case AdmissionVerdict::kTooManySessions:
      return "too many sessions of the tenant";
    case AdmissionVerdict::kTooManyLogins:
      return "too many log-ins of the tenant";
    case AdmissionVerdict::kTooSoon:
      return "too soon after the last log-in";
  }
  POP_CHECK(false);
}

AdmissionVerdict JudgePop3(const TenantRules& rules, const auth::Principal& principal) {
  if (!rules.pop3) return AdmissionVerdict::kPop3Off;
  return principal.pop3 ? AdmissionVerdict::kAdmitted : AdmissionVerdict::kUserPop3Off;
}

AdmissionVerdict Admission::Enter(const TenantPolicies& policies, const Visitor& visitor) {
  POP_CHECK(gate_ == nullptr);
  const auth::Principal& principal = *visitor.principal;
  const TenantRules& rules = policies.Of(principal.tenant).rules;
  terms_ = {.login_delay_s = rules.login_delay_s,
            .idle_timeout_s = rules.idle_timeout_s,
            .egress_kib_per_s = rules.egress_kib_per_s,
            .mechanisms = rules.mechanisms};
  const AdmissionVerdict pop3 = JudgePop3(rules, principal);
  if (pop3 != AdmissionVerdict::kAdmitted) return pop3;
  const TransportGrade least = rules.require_tls13 ? TransportGrade::kTls13
                               : rules.require_tls ? TransportGrade::kTls12
                                                   : TransportGrade::kClear;
  if (visitor.transport < least) return AdmissionVerdict::kTlsRequired;
  if (!rules.mechanisms.Contains(visitor.mechanism)) return AdmissionVerdict::kMechanismOff;
  maildrop_hash_ = HashOf(principal, door_.logins.seed());
  if (door_.logins.TooSoon(maildrop_hash_, visitor.now_us, rules.login_delay_s)) {
    return AdmissionVerdict::kTooSoon;
  }
  std::shared_ptr<TenantGate> gate = policies.GateOf(principal.tenant);
  if (gate == nullptr) return AdmissionVerdict::kAdmitted;
  if (gate->logins.Take(visitor.now_us, 1, rules.logins_per_minute, kLoginBurstUs) != 0) {
    gate->refused_logins.fetch_add(1, std::memory_order_relaxed);
    return AdmissionVerdict::kTooManyLogins;
  }
  const bool counted =
      gate->sessions.fetch_add(1, std::memory_order_relaxed) < LimitOf(rules.sessions_max);
  if (!counted || !door_.tenant_clients.Enter(visitor.peer, LimitOf(rules.sessions_per_address_max),
                                              principal.tenant.value())) {
    gate->sessions.fetch_sub(1, std::memory_order_relaxed);
    gate->refused_sessions.fetch_add(1, std::memory_order_relaxed);
    return AdmissionVerdict::kTooManySessions;
  }
  gate_ = std::move(gate);
  tenant_ = principal.tenant;
  peer_ = visitor.peer;
  return AdmissionVerdict::kAdmitted;
}

void Admission::LoggedIn(uint64_t now_us) {
  if (terms_.login_delay_s > 0) {
    door_.logins.Remember(maildrop_hash_, now_us, terms_.login_delay_s);
  }
  if (gate_ != nullptr) gate_->usage.sessions.fetch_add(1, std::memory_order_relaxed);
}

void Admission::Leave() {
  if (gate_ == nullptr) return;
  gate_->sessions.fetch_sub(1, std::memory_order_relaxed);
  door_.tenant_clients.Leave(peer_, tenant_.value());
  gate_ = nullptr;
}

uint64_t Admission::ChargeEgress(uint64_t octets, uint64_t now_us) {
  if (gate_ == nullptr || terms_.egress_kib_per_s == 0) return 0;
  const uint64_t a_minute = uint64_t{terms_.egress_kib_per_s} * kKiB * 60;
  const uint64_t ahead_us = gate_->egress.Charge(now_us, octets, a_minute);
  return ahead_us <= kEgressBurstUs ? 0 : (ahead_us - kEgressBurstUs) / 1'000;
}

}  // namespace poplar::server
