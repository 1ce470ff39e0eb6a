#include "auth/service/standby_logins.h"

#include <utility>

#include "auth/service/domain_owner.h"

namespace poplar::auth {
namespace {

// The most that a tenant can allow.
constexpr uint64_t kKeptMs = 86'400'000;

}  // namespace

StandbyLogins::StandbyLogins(const PolicyBoard* tenants, uint64_t entries_max)
    : tenants_(tenants), kept_({.ttl_ms = kKeptMs, .entries_max = entries_max}) {}

// A tenant that was switched off since, or has lost the domain, allows nothing.
uint64_t StandbyLogins::AllowedUs(std::string_view domain, TenantId tenant) {
  const TenantPolicies& policies = tenants_.Current();
  if (!Serves(policies, domain, tenant)) return 0;
  return uint64_t{policies.Of(tenant).rules.offline_logins_s} * 1'000'000;
}

void StandbyLogins::Keep(const LoginMacs& macs, std::string_view login, const Principal& principal,
                         uint64_t now_us) {
  std::string domain(login.substr(login.rfind('@') + 1));  // npos + 1 is 0.
  if (AllowedUs(domain, principal.tenant) == 0) return;
  kept_.Insert(macs.name, {macs.login, std::move(domain), principal, now_us}, now_us);
}

void StandbyLogins::Drop(const LoginMacs& macs) {
  const Kept* const kept = kept_.Find(macs.name, 0);
  if (kept != nullptr && kept->login == macs.login) kept_.Erase(macs.name);
}

void StandbyLogins::ForgetUser(const PrincipalTest& is_his) {
  kept_.EraseIf([&](const Kept& kept) { return is_his(kept.principal); });
}

const StandbyLogins::Kept* StandbyLogins::FindName(const Mac& name, uint64_t now_us) {
  const Kept* const kept = kept_.Find(name, now_us);
  if (kept == nullptr) return nullptr;
  // The tenant may have changed its mind.
  const uint64_t allowed_us = AllowedUs(kept->domain, kept->principal.tenant);
  return now_us - kept->at_us < allowed_us ? kept : nullptr;
}

const Principal* StandbyLogins::Find(const LoginMacs& macs, uint64_t now_us) {
  const Kept* const kept = FindName(macs.name, now_us);
  return kept != nullptr && kept->login == macs.login ? &kept->principal : nullptr;
}

bool StandbyLogins::HasAnother(const LoginMacs& macs, uint64_t now_us) {
  const Kept* const kept = FindName(macs.name, now_us);
  return kept != nullptr && kept->login != macs.login;
}

}  // namespace poplar::auth
