// Whose calls are slow: known for a while after they ended, so that a crowd that comes in waves
// finds its places limited from the second wave on. Pure; one thread.

#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "core/base/ids.h"

namespace poplar::auth {

// A moving figure of how long calls take: up at once, down by a quarter of the difference with each
// faster call, forgotten after a minute without any.
class Pace {
 public:
  void Took(uint64_t took_us, uint64_t now_us);
  bool SlowerThan(uint64_t slow_us, uint64_t now_us) const {
    return figure_us_ > slow_us && now_us - at_us_ < kRememberedUs;
  }

  static constexpr uint64_t kRememberedUs = 60'000'000;

 private:
  uint64_t figure_us_ = 0;
  uint64_t at_us_ = 0;
};

// Those of tenants.
class SlowTenants {
 public:
  // So many are remembered; further ones are judged by their calls under way alone.
  static constexpr size_t kTenantsMax = 1024;

  explicit SlowTenants(uint64_t slow_us) : slow_us_(slow_us) {}

  void Took(TenantId tenant, uint64_t took_us, uint64_t now_us);
  bool Contains(TenantId tenant, uint64_t now_us) const;
  size_t size() const { return paces_.size(); }

 private:
  const uint64_t slow_us_;
  absl::flat_hash_map<uint64_t, Pace> paces_;  // Of slow ones alone.
};

}  // namespace poplar::auth
