#include "auth/remote/pace.h"

namespace poplar::auth {

void Pace::Took(uint64_t took_us, uint64_t now_us) {
  if (now_us - at_us_ >= kRememberedUs || took_us >= figure_us_) {
    figure_us_ = took_us;
  } else {
    figure_us_ -= (figure_us_ - took_us) / 4;
  }
  at_us_ = now_us;
}

void SlowTenants::Took(TenantId tenant, uint64_t took_us, uint64_t now_us) {
  auto found = paces_.find(tenant.value());
  if (found == paces_.end()) {
    if (took_us <= slow_us_) return;
    if (paces_.size() >= kTenantsMax) {
      absl::erase_if(paces_,
                     [&](const auto& one) { return !one.second.SlowerThan(slow_us_, now_us); });
    }
    if (paces_.size() >= kTenantsMax) return;
    found = paces_.try_emplace(tenant.value()).first;
  }
  found->second.Took(took_us, now_us);
  if (!found->second.SlowerThan(slow_us_, now_us)) paces_.erase(found);
}

bool SlowTenants::Contains(TenantId tenant, uint64_t now_us) const {
  const auto found = paces_.find(tenant.value());
  return found != paces_.end() && found->second.SlowerThan(slow_us_, now_us);
}

}  // namespace poplar::auth
