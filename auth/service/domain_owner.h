// Whether what was said of a tenant's address holds still.

#pragma once

#include <string_view>

#include "core/base/mail_policy.h"

namespace poplar::auth {

// Whether addresses of `domain` are this tenant's, and it is not switched off.
inline bool Serves(const TenantPolicies& policies, std::string_view domain, TenantId tenant) {
  const TenantPolicies::Domain* const owner = policies.OfDomain(domain);
  return owner != nullptr && owner->tenant == tenant && owner->enabled;
}

}  // namespace poplar::auth
