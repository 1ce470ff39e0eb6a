#include "auth/remote/tenant_breakers.h"

#include <algorithm>

namespace poplar::auth {

bool TenantBreakers::Allow(TenantId tenant, uint64_t now_us) {
  if (!all_.WouldAllow(now_us)) return false;
  // The next try is somebody else's for a pause more: one whose questions always fail must not
  // speak for all.
  if (tried_by_ == tenant && all_.newly_half_open(now_us)) return false;
  const auto own = own_.find(tenant.value());
  if (own != own_.end() && !own->second.Allow(now_us)) return false;
  return all_.Allow(now_us);
}

void TenantBreakers::Answered(TenantId tenant) {
  if (all_.closed()) {
    own_.erase(tenant.value());
  } else {
    // It lives again; what failed meanwhile says nothing of anybody.
    own_.clear();
  }
  all_.Succeeded();
  failed_.reset();
  several_failed_ = false;
  tried_by_.reset();
  CountLeftAlone();
}

void TenantBreakers::Unreached(TenantId tenant, uint64_t now_us, uint32_t random) {
  if (Breaker* const own = OwnOf(tenant, now_us)) own->Failed(now_us, random);
  if (!failed_.has_value()) failed_ = tenant;
  several_failed_ |= failed_ != tenant;
  if (all_.trying()) tried_by_ = tenant;
  all_.Failed(now_us, random, several_failed_);
  CountLeftAlone();
}

void TenantBreakers::NotAsked(TenantId tenant) {
  const auto own = own_.find(tenant.value());
  if (own != own_.end()) own->second.GiveBack();
  all_.GiveBack();
}

Breaker* TenantBreakers::OwnOf(TenantId tenant, uint64_t now_us) {
  const auto found = own_.find(tenant.value());
  if (found != own_.end()) return &found->second;
  if (own_.size() >= kTenantsMax) {
    absl::erase_if(own_, [now_us](const auto& one) {
      return one.second.state(now_us) != Breaker::State::kOpen;
    });
  }
  if (own_.size() >= kTenantsMax) return nullptr;
  return &own_.try_emplace(tenant.value(), options_).first->second;
}

void TenantBreakers::CountLeftAlone() {
  left_alone_ = static_cast<size_t>(
      std::ranges::count_if(own_, [](const auto& one) { return !one.second.closed(); }));
}

}  // namespace poplar::auth
