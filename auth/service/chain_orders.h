// In which order the back ends are asked for a name: the configured order, or that of the tenant
// whose domain the name has (core/base/tenant_rules.h, auth_chain). One shard's.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/mail_policy.h"

namespace poplar::auth {

// Places in the list of back ends.
struct ChainOrder {
  std::vector<uint32_t> links;
  std::string missing;        // A name that no back end has: nobody can be told to be unknown.
  bool weak_schemes = false;  // Stored passwords of weak schemes count, whatever the back end says.

  std::string WhyMissing() const {
    return "the tenant's auth_chain names \"" + missing + "\", which is no back end";
  }
};

class ChainOrders {
 public:
  // `names` of all back ends; the first `configured` of them are everybody's order. `tenants` may
  // be null: all have that one. It outlives this.
  ChainOrders(std::vector<std::string> names, size_t configured, const PolicyBoard* tenants);

  // Of a login name or an address in lower case; never null.
  std::shared_ptr<const ChainOrder> Of(std::string_view login);
  std::shared_ptr<const ChainOrder> Of(TenantId tenant);
  // By which they are.
  const TenantPolicies& Tenants() { return tenants_.Current(); }
  // All that somebody is asked about by: the configured ones, and those that tenants name.
  std::shared_ptr<const ChainOrder> OfAll();

 private:
  std::shared_ptr<const ChainOrder> OfSetting(const std::string& auth_chain, bool weak_schemes);

  // Tenants may come and go for years.
  static constexpr size_t kKnownMax = 1024;

  const std::vector<std::string> names_;
  const std::shared_ptr<const ChainOrder> configured_;
  const std::shared_ptr<const ChainOrder> configured_weak_;  // For tenants with weak_schemes.
  PolicyReader tenants_;
  // By auth_chain and weak_schemes.
  std::map<std::pair<std::string, bool>, std::shared_ptr<const ChainOrder>> known_;
  std::shared_ptr<const ChainOrder> of_all_;  // Of the tenants as they were in this generation.
  uint64_t of_all_generation_ = 0;
};

}  // namespace poplar::auth
