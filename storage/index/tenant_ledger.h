// How much each tenant has, over all partitions of a store: the sum of what their tables count, and
// of what is reserved for deliveries under way. In memory only; each table adds what its index
// knew.

#pragma once

#include <array>
#include <cstdint>
#include <mutex>

#include "absl/container/flat_hash_map.h"
#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "storage/api/store.h"

namespace poplar::storage {

// Adds differences, as unsigned numbers wrap.
void AddTo(TenantTotals& totals, const TenantTotals& change);

// Any thread.
class TenantLedger {
 public:
  // Adds a message if all together stay within `quota`.
  bool Reserve(TenantId tenant, uint64_t octets, const Quota& quota);
  // What was reserved did not come about.
  void Release(TenantId tenant, uint64_t octets);
  // Differences, as unsigned numbers wrap.
  void Add(TenantId tenant, const TenantTotals& change);
  TenantTotals TotalsOf(TenantId tenant) const;

 private:
  // Several, so that shards seldom meet at one.
  struct alignas(base::kCacheLineBytes) Stripe {
    mutable std::mutex mutex;
    absl::flat_hash_map<uint64_t, TenantTotals> totals;
  };
  Stripe& StripeOf(TenantId tenant) { return stripes_[tenant.value() % stripes_.size()]; }
  const Stripe& StripeOf(TenantId tenant) const {
    return stripes_[tenant.value() % stripes_.size()];
  }

  std::array<Stripe, 64> stripes_;
};

}  // namespace poplar::storage
