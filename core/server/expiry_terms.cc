#include "core/server/expiry_terms.h"

#include <algorithm>
#include <limits>

namespace poplar::server {
namespace {

constexpr uint32_t kNever = std::numeric_limits<uint32_t>::max();

pop3::Expiry ToExpiry(uint32_t days) {
  pop3::Expiry expiry;
  if (days != kNever) expiry.days = days;
  return expiry;
}

}  // namespace

pop3::Expiry ExpiryTerms::Of(TenantId tenant) {
  return ToExpiry(policies_.Current().Of(tenant).least_days().value_or(kNever));
}

const pop3::Expiry& ExpiryTerms::OfAll() {
  const uint64_t generation = board_.generation();  // Before the policies, as PolicyReader does.
  if (seen_ == generation) return of_all_;
  seen_ = generation;
  uint32_t least = kNever;
  uint32_t most = 0;
  for (const auto& [id, policy] : policies_.Current().by_tenant) {
    const uint32_t days = policy.least_days().value_or(kNever);
    least = std::min(least, days);
    most = std::max(most, days);
  }
  of_all_ = ToExpiry(least);
  of_all_.differs_by_user = least < most;
  return of_all_;
}

}  // namespace poplar::server
