#include "core/base/mail_policy.h"

#include <set>

#include "core/base/login_domain.h"

namespace poplar {

void PolicyBoard::Publish(std::shared_ptr<TenantPolicies> policies) {
  const std::shared_ptr<const TenantPolicies> before = Current();
  std::set<std::string> chains;
  for (const auto& [tenant, policy] : policies->by_tenant) {
    std::shared_ptr<TenantGate> gate = before->GateOf(TenantId(tenant));
    if (!gate) gate = std::make_shared<TenantGate>();
    const uint32_t egress_kib_per_s = policy.rules.egress_kib_per_s;
    if (gate->egress_kib_per_s.exchange(egress_kib_per_s) != egress_kib_per_s) {
      gate->egress.Forget();
      gate->egress_queue.Forget();
    }
    policies->gates[tenant] = std::move(gate);
    if (!policy.rules.auth_chain.empty()) chains.insert(policy.rules.auth_chain);
    policies->any_weak_schemes |= policy.rules.weak_schemes;
  }
  policies->auth_chains.assign(chains.begin(), chains.end());
  IndexHosts(*policies);
  const std::lock_guard lock(mutex_);
  policies_ = std::move(policies);
  generation_.fetch_add(1, std::memory_order_release);
}

}  // namespace poplar
