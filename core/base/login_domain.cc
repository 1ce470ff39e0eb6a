#include "core/base/login_domain.h"

#include <algorithm>
#include <unordered_map>
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

// Those that name hosts, the oldest first: of two that name the same, it has that.
std::vector<std::pair<uint64_t, const TenantPolicy*>> TenantsWithHosts(
    const TenantPolicies& policies) {
  std::vector<std::pair<uint64_t, const TenantPolicy*>> tenants;
  for (const auto& [tenant, policy] : policies.by_tenant) {
    if (!policy.rules.hosts.empty()) tenants.emplace_back(tenant, &policy);
  }
  std::ranges::sort(tenants);
  return tenants;
}

// Why a tenant's hosts have no domain; `only` is its entry in OnlyDomains, or null.
std::string WhyNoDomain(const TenantRules& rules, const std::string* only) {
  if (!rules.default_domain.empty()) {
    return "its default_domain, " + rules.default_domain + ", is none of its domains";
  }
  if (only == nullptr) return "it has no domain";
  return "it has several domains, and default_domain does not say which";
}

// `has(host, domain)` of each host that a tenant has by naming it, `lost(HostClash)` of each that
// it names in vain.
template <class Has, class Lost>
void JudgeHosts(const TenantPolicies& policies, Has has, Lost lost) {
  const std::unordered_map<uint64_t, std::string> only_domains = OnlyDomains(policies);
  std::unordered_map<std::string, const TenantPolicy*> named;
  for (const auto& [tenant, policy] : TenantsWithHosts(policies)) {
    const auto found = only_domains.find(tenant);
    const std::string* const only = found == only_domains.end() ? nullptr : &found->second;
    std::string domain = policy->rules.default_domain;
    if (domain.empty() && only != nullptr) domain = *only;
    const TenantPolicies::Domain* const owner = policies.OfDomain(domain);
    const bool has_domain = owner != nullptr && owner->tenant.value() == tenant;
    for (const std::string& host : ListOf(policy->rules.hosts)) {
      const auto* const above = DomainAbove(policies, host);
      const bool is_anothers = above != nullptr && above->second.tenant.value() != tenant;
      if (!has_domain) {
        // One that is called after a domain of its own has that without being named.
        const bool needs_domain = above == nullptr || is_anothers || !domain.empty();
        if (needs_domain) {
          lost(HostClash{host, policy->name, "", "", WhyNoDomain(policy->rules, only)});
        }
        continue;
      }
      if (is_anothers) {
        lost(HostClash{host, policy->name, above->second.name, above->first, ""});
        continue;
      }
      const auto [earlier, is_first] = named.emplace(host, policy);
      if (is_first) {
        has(host, domain);
      } else if (earlier->second != policy) {
        lost(HostClash{host, policy->name, earlier->second->name, "", ""});
      }
    }
  }
}

}  // namespace

std::string HostClash::Why() const {
  const std::string in_vain = "tenant " + tenant + " names the host " + host + " in vain: ";
  if (owner.empty()) return in_vain + why_nobody;
  return in_vain + "tenant " + owner + " has it, " +
         (domain.empty() ? "which is older and names it, too" : "as its domain is " + domain);
}

void IndexHosts(TenantPolicies& policies) {
  policies.by_host.clear();
  JudgeHosts(
      policies,
      [&](const std::string& host, const std::string& domain) { policies.by_host[host] = domain; },
      [](const HostClash&) {});
}

std::vector<HostClash> HostClashesOf(const TenantPolicies& policies) {
  std::vector<HostClash> clashes;
  JudgeHosts(
      policies, [](const std::string&, const std::string&) {},
      [&](HostClash clash) { clashes.push_back(std::move(clash)); });
  return clashes;
}

std::string LoginDomainOf(const TenantPolicies& policies, std::string_view host) {
  if (host.empty()) return "";
  const auto said = policies.by_host.find(std::string(host));
  if (said != policies.by_host.end()) return said->second;
  const auto* const above = DomainAbove(policies, host);
  return above == nullptr ? "" : above->first;
}

}  // namespace poplar
