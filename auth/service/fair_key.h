// Whose turn a question takes in a pool's queue: that of the tenant whose domain the name has.
//
// Pools keep a queue for each key for ever, and strangers make up domains: those that no tenant has
// share one, so that any number of them get one tenant's turns.

#pragma once

#include <cstdint>
#include <string_view>

#include "auth/users/address.h"
#include "core/base/mail_policy.h"

namespace poplar::auth {

// Below them are the store's: a tenant's log-ins do not wait for its own mail.
inline constexpr uint64_t kFairKeys = uint64_t{1} << 63;
inline constexpr uint64_t kNobodysFairKey = kFairKeys;
inline constexpr uint64_t kNoDomainFairKey = kFairKeys + 1;  // Of names without one.
inline constexpr uint64_t kPollFairKey = kFairKeys + 2;      // Of nobody's log-in.
inline constexpr uint64_t kTenantFairKeys = kFairKeys + (uint64_t{1} << 62);

// Of a login name or address as LookupKey makes it.
inline uint64_t FairKey(const TenantPolicies& tenants, std::string_view login) {
  if (login.find('@') == std::string_view::npos) return kNoDomainFairKey;
  const TenantPolicies::Domain* const domain = tenants.OfDomain(DomainOf(login));
  return domain == nullptr ? kNobodysFairKey : kTenantFairKeys + domain->tenant.value();
}

}  // namespace poplar::auth
