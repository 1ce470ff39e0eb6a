#include "core/server/admission.h"

#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/base/units.h"

namespace poplar::server {
namespace {

// Log-ins come in bursts: all of an office at nine. So many seconds' worth may come at once.
constexpr uint64_t kLoginBurstUs = 10'000'000;
// What goes out of a tenant may be so far ahead of its rate.
constexpr uint64_t kEgressBurstUs = 1'000'000;
// What a message sends before it waits for its client. All of it is charged as it goes out, but a
// client that is quick has it by then: a message that has begun waits for no rate.
constexpr uint64_t kEgressBeginOctets = 64 * kKiB;
constexpr uint64_t kMillisecondUs = 1'000;
constexpr uint32_t kUnlimited = std::numeric_limits<uint32_t>::max();

uint32_t MaxOf(uint32_t setting) { return setting == 0 ? kUnlimited : setting; }

uint64_t HashOf(const auth::Principal& principal, uint64_t seed) {
  return XXH3_64bits_withSeed(principal.account.data(), principal.account.size(),
                              seed ^ principal.tenant.value());
}

// Which of the tenant's limits it was; none: no limit, or not the tenant's.
std::optional<TenantLimit> LimitOf(AdmissionVerdict verdict) {
  switch (verdict) {
    case AdmissionVerdict::kAdmitted:
    case AdmissionVerdict::kPop3Off:
    case AdmissionVerdict::kUserPop3Off:
    case AdmissionVerdict::kTooManyRecent:
      return std::nullopt;
    case AdmissionVerdict::kTlsRequired:
      return TenantLimit::kTls;
    case AdmissionVerdict::kTls13Required:
      return TenantLimit::kTls13;
    case AdmissionVerdict::kMechanismOff:
      return TenantLimit::kMechanisms;
    case AdmissionVerdict::kTooManySessions:
      return TenantLimit::kSessions;
    case AdmissionVerdict::kTooManyFromThisAddress:
      return TenantLimit::kSessionsPerAddress;
    case AdmissionVerdict::kTooManyLogins:
      return TenantLimit::kLogins;
    case AdmissionVerdict::kTooSoon:
      return TenantLimit::kLoginDelay;
  }
  POP_CHECK(false);
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
    case AdmissionVerdict::kTls13Required:
      return "the tenant requires TLS 1.3";
    case AdmissionVerdict::kMechanismOff:
      return "the tenant does not allow this mechanism";
    case AdmissionVerdict::kTooManySessions:
      return "too many sessions of the tenant";
    case AdmissionVerdict::kTooManyFromThisAddress:
      return "too many sessions of the tenant from this address";
    case AdmissionVerdict::kTooManyRecent:
      return "too many recent: sessions of the user";
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
  const TenantId tenant = visitor.principal->tenant;
  const TenantRules& rules = policies.Of(tenant).rules;
  terms_ = {.login_delay_s = rules.login_delay_s,
            .idle_timeout_s = rules.idle_timeout_s,
            .mechanisms = rules.mechanisms};
  tenant_ = tenant;
  peer_ = visitor.peer;
  gate_ = policies.GateOf(tenant);
  AdmissionVerdict verdict = Judge(rules, visitor);
  if (verdict == AdmissionVerdict::kAdmitted) verdict = Count(rules, visitor);
  if (verdict == AdmissionVerdict::kAdmitted) return verdict;
  const std::optional<TenantLimit> limit = LimitOf(verdict);
  if (limit && gate_ != nullptr) gate_->CountRefused(*limit);
  Leave();
  return verdict;
}

AdmissionVerdict Admission::Judge(const TenantRules& rules, const Visitor& visitor) {
  const AdmissionVerdict pop3 = JudgePop3(rules, *visitor.principal);
  if (pop3 != AdmissionVerdict::kAdmitted) return pop3;
  if (rules.require_tls13 && visitor.transport < TransportGrade::kTls13) {
    return AdmissionVerdict::kTls13Required;
  }
  if (rules.require_tls && visitor.transport < TransportGrade::kTls12) {
    return AdmissionVerdict::kTlsRequired;
  }
  if (!rules.mechanisms.Contains(visitor.mechanism)) return AdmissionVerdict::kMechanismOff;
  maildrop_hash_ = HashOf(*visitor.principal, door_.logins.seed());
  const bool too_soon = door_.logins.TooSoon(maildrop_hash_, visitor.now_us, rules.login_delay_s);
  return too_soon ? AdmissionVerdict::kTooSoon : AdmissionVerdict::kAdmitted;
}

AdmissionVerdict Admission::Count(const TenantRules& rules, const Visitor& visitor) {
  if (visitor.recent_sessions_max) {
    in_recent_sessions_ = door_.recent_sessions.Enter(maildrop_hash_, *visitor.recent_sessions_max);
    if (!in_recent_sessions_) return AdmissionVerdict::kTooManyRecent;
  }
  return gate_ == nullptr ? AdmissionVerdict::kAdmitted : CountForTenant(rules, visitor);
}

AdmissionVerdict Admission::CountForTenant(const TenantRules& rules, const Visitor& visitor) {
  if (gate_->logins.Take(visitor.now_us, 1, rules.logins_per_minute, kLoginBurstUs) != 0) {
    return AdmissionVerdict::kTooManyLogins;
  }
  in_sessions_ = true;
  if (gate_->sessions.fetch_add(1, std::memory_order_relaxed) >= MaxOf(rules.sessions_max)) {
    return AdmissionVerdict::kTooManySessions;
  }
  in_tenant_clients_ = door_.tenant_clients.Enter(
      visitor.peer, MaxOf(rules.sessions_per_address_max), tenant_.value());
  return in_tenant_clients_ ? AdmissionVerdict::kAdmitted
                            : AdmissionVerdict::kTooManyFromThisAddress;
}

void Admission::LoggedIn(uint64_t now_us) {
  if (terms_.login_delay_s > 0) {
    door_.logins.Remember(maildrop_hash_, now_us, terms_.login_delay_s);
  }
  if (gate_ != nullptr) gate_->usage.sessions.fetch_add(1, std::memory_order_relaxed);
}

void Admission::Leave() {
  if (std::exchange(in_recent_sessions_, false)) door_.recent_sessions.Leave(maildrop_hash_);
  if (std::exchange(in_sessions_, false)) gate_->sessions.fetch_sub(1, std::memory_order_relaxed);
  if (std::exchange(in_tenant_clients_, false)) {
    door_.tenant_clients.Leave(peer_, tenant_.value());
  }
  gate_ = nullptr;
}

void Admission::CountOctetsOut(uint64_t octets, uint64_t now_us) {
  if (gate_ == nullptr) return;
  gate_->usage.octets_out.fetch_add(octets, std::memory_order_relaxed);
  gate_->egress.Charge(now_us, octets, EgressPerMinute());
}

void Admission::CountMessageOut() {
  if (gate_ != nullptr) gate_->usage.messages_out.fetch_add(1, std::memory_order_relaxed);
}

uint64_t Admission::QueueForEgress(uint64_t octets, uint64_t now_us) {
  egress_place_ = {};
  const uint64_t wait_us = EgressWaitUs(now_us);
  if (wait_us < kMillisecondUs) return 0;
  egress_place_ = {.octets = std::min(octets, kEgressBeginOctets),
                   .octets_per_minute = EgressPerMinute()};
  const uint64_t behind_us = gate_->egress_queue.Charge(now_us + wait_us, egress_place_.octets,
                                                        egress_place_.octets_per_minute);
  return (wait_us + behind_us) / kMillisecondUs;
}

void Admission::LeaveEgressQueue() {
  const EgressPlace place = std::exchange(egress_place_, {});
  // A new rate has forgotten all places.
  if (place.octets == 0 || place.octets_per_minute != EgressPerMinute()) return;
  gate_->egress_queue.GiveBack(place.octets, place.octets_per_minute);
}

uint64_t Admission::EgressWaitMs(uint64_t now_us) const {
  return EgressWaitUs(now_us) / kMillisecondUs;
}

uint64_t Admission::EgressWaitUs(uint64_t now_us) const {
  if (EgressPerMinute() == 0) return 0;
  const uint64_t ahead_us = gate_->egress.AheadUs(now_us);
  return std::max(ahead_us - std::min(ahead_us, kEgressBurstUs),
                  gate_->egress_queue.AheadUs(now_us));
}

uint64_t Admission::EgressPerMinute() const {
  if (gate_ == nullptr) return 0;
  return uint64_t{gate_->egress_kib_per_s.load(std::memory_order_relaxed)} * kKiB * 60;
}

}  // namespace poplar::server
