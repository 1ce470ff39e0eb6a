// Metrics of each tenant: what it holds, may hold, does, and was refused. Tenants come and go with
// the policies; how many have metrics of their own is bounded.

#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "storage/api/store.h"

namespace poplar::app {

// No tenant can have this name.
inline constexpr std::string_view kRestOfTenants = "(rest)";

class TenantMetrics {
 public:
  // Both outlive this. At most `tenants_max` tenants are told, those that have and move most; the
  // others' sums stand under kRestOfTenants.
  TenantMetrics(const PolicyBoard& policies, const storage::Store& store, uint32_t tenants_max)
      : policies_(policies), store_(store), tenants_max_(tenants_max) {}

  // Any thread; counts for the next reading.
  void SetTenantsMax(uint32_t tenants_max) { tenants_max_ = tenants_max; }

  // REQUIRES: this object outlives the registry's last reader.
  void Register(base::MetricRegistry& registry) const;

 private:
  void Collect(std::vector<base::MetricRegistry::Entry>& entries) const;

  const PolicyBoard& policies_;
  const storage::Store& store_;
  std::atomic<uint32_t> tenants_max_;
};

}  // namespace poplar::app
