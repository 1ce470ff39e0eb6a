// Whose an address is by its domain, whether or not there is a user of that name.

#pragma once

#include <string_view>

#include "core/base/mail_policy.h"

namespace poplar::server {

// Null: no tenant has its domain, or it has none. Lives as long as `policies`.
const TenantPolicies::Domain* OwnerOf(const TenantPolicies& policies, std::string_view address);

// For logs: the owner's name, or nothing.
std::string_view TenantNameOf(const TenantPolicies& policies, std::string_view address);

}  // namespace poplar::server
