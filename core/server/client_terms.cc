#include "core/server/client_terms.h"

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

pop3::Terms ClientTerms::Of(TenantId tenant) {
  const TenantPolicy& policy = policies_.Current().Of(tenant);
  pop3::Terms terms;
  terms.expiry = ToExpiry(policy.least_days().value_or(kNever));
  terms.login_delay.seconds = policy.rules.login_delay_s;
  return terms;
}

const pop3::Terms& ClientTerms::OfAll() {
  const uint64_t generation = board_.generation();  // Before the policies, as PolicyReader does.
  if (seen_ == generation) return of_all_;
  seen_ = generation;
  uint32_t least_days = kNever;
  uint32_t most_days = 0;
  uint32_t least_delay_s = kNever;
  uint32_t most_delay_s = 0;
  for (const auto& [id, policy] : policies_.Current().by_tenant) {
    const uint32_t days = policy.least_days().value_or(kNever);
    least_days = std::min(least_days, days);
    most_days = std::max(most_days, days);
    least_delay_s = std::min(least_delay_s, policy.rules.login_delay_s);
    most_delay_s = std::max(most_delay_s, policy.rules.login_delay_s);
  }
  of_all_.expiry = ToExpiry(least_days);
  of_all_.expiry.differs_by_user = least_days < most_days;
  of_all_.login_delay = {.seconds = most_delay_s, .differs_by_user = least_delay_s < most_delay_s};
  return of_all_;
}

}  // namespace poplar::server
