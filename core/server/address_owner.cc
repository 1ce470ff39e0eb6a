#include "core/server/address_owner.h"

#include <absl/strings/ascii.h>

#include <string>

namespace poplar::server {

const TenantPolicies::Domain* OwnerOf(const TenantPolicies& policies, std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos) return nullptr;
  std::string domain(address.substr(at + 1));
  absl::AsciiStrToLower(&domain);
  return policies.OfDomain(domain);
}

std::string_view TenantNameOf(const TenantPolicies& policies, std::string_view address) {
  const TenantPolicies::Domain* const owner = OwnerOf(policies, address);
  return owner == nullptr ? std::string_view() : owner->name;
}

}  // namespace poplar::server
