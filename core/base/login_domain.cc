#include "core/base/login_domain.h"

#include <utility>
#include <vector>

namespace poplar {
namespace {

std::vector<std::string> ListOf(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    names.emplace_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return names;
}

// The domain that a host belongs to by its name; null: no tenant's.
const std::pair<const std::string, TenantPolicies::Domain>* DomainAbove(
    const TenantPolicies& policies, std::string_view host) {
  auto found = policies.by_domain.find(std::string(host));
  const size_t dot = host.find('.');
  if (found == policies.by_domain.end() && dot != std::string_view::npos) {
    found = policies.by_domain.find(std::string(host.substr(dot + 1)));
  }
  return found == policies.by_domain.end() ? nullptr : &*found;
}

// Of each tenant that says no other: its domain, if that is the only one.
std::unordered_map<uint64_t, std::string> OnlyDomains(const TenantPolicies& policies) {
  std::unordered_map<uint64_t, std::string> only;
  for (const auto& [domain, owner] : policies.by_domain) {
    const auto [entry, is_first] = only.emplace(owner.tenant.value(), domain);
    if (!is_first) entry->second.clear();
  }
  return only;
}

}  // namespace

void IndexHosts(TenantPolicies& policies) {
  policies.by_host.clear();
  std::unordered_map<uint64_t, std::string> only = OnlyDomains(policies);
  std::unordered_map<std::string, uint64_t> said_by;
  for (const auto& [tenant, policy] : policies.by_tenant) {
    if (policy.rules.hosts.empty()) continue;
    const std::string& domain =
        policy.rules.default_domain.empty() ? only[tenant] : policy.rules.default_domain;
    const TenantPolicies::Domain* const owner = policies.OfDomain(domain);
    if (owner == nullptr || owner->tenant.value() != tenant) continue;
    for (std::string& host : ListOf(policy.rules.hosts)) {
      const auto* const above = DomainAbove(policies, host);
      if (above != nullptr && above->second.tenant.value() != tenant) continue;
      // Of two tenants that name the same host, the older one has it.
      const auto [earlier, is_first] = said_by.emplace(host, tenant);
      if (!is_first && earlier->second <= tenant) continue;
      earlier->second = tenant;
      policies.by_host[std::move(host)] = domain;
    }
  }
}

std::string LoginDomainOf(const TenantPolicies& policies, std::string_view host) {
  if (host.empty()) return "";
  const auto said = policies.by_host.find(std::string(host));
  if (said != policies.by_host.end()) return said->second;
  const auto* const above = DomainAbove(policies, host);
  return above == nullptr ? "" : above->first;
}

}  // namespace poplar
