// Gauges for each tenant: what it holds and what it may hold. Tenants come and go with the
// policies; how many have gauges of their own is bounded.

#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "storage/api/store.h"

namespace poplar::app {

class TenantMetrics {
 public:
  // Both outlive this. At most `tenants_max` tenants are told, the oldest ones.
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
