// The domain of users who log in without one ("alice"), by the host that their client asked for
// (SNI). A tenant's `hosts` have its `default_domain`, or the one domain it has; any other host has
// the domain that it is called as itself or after its first label: pop.example.org has example.org.
//
// A host below somebody's domain is his: what another tenant says of it does not count, so nobody
// is handed the passwords of another's users. Pure; any thread.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/mail_policy.h"

namespace poplar {

// Fills `by_host`, of the rest of the policies. Part of their publication.
void IndexHosts(TenantPolicies& policies);

// A host that a tenant names in vain.
struct HostClash {
  std::string host;
  std::string tenant;      // Who names it.
  std::string owner;       // Who has it; empty: nobody, as the tenant has no domain for it.
  std::string domain;      // The owner's that it is called after; empty: the owner names it, too.
  std::string why_nobody;  // Where nobody has it.

  std::string Why() const;
};

// Of the oldest tenants first.
std::vector<HostClash> HostClashesOf(const TenantPolicies& policies);

// `host` in lower case. Empty: there is none.
std::string LoginDomainOf(const TenantPolicies& policies, std::string_view host);

}  // namespace poplar
