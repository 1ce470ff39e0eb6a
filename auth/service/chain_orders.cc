#include "auth/service/chain_orders.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace poplar::auth {
namespace {

std::shared_ptr<const ChainOrder> First(size_t count, bool weak_schemes) {
  auto order = std::make_shared<ChainOrder>();
  order->weak_schemes = weak_schemes;
  order->links.resize(count);
  std::iota(order->links.begin(), order->links.end(), 0U);
  return order;
}

std::shared_ptr<const ChainOrder> Parse(std::string_view setting, bool weak_schemes,
                                        const std::vector<std::string>& names) {
  auto order = std::make_shared<ChainOrder>();
  order->weak_schemes = weak_schemes;
  while (!setting.empty()) {
    const size_t comma = std::min(setting.find(','), setting.size());
    const std::string_view name = setting.substr(0, comma);
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      order->missing = name;
    } else {
      order->links.push_back(static_cast<uint32_t>(found - names.begin()));
    }
    setting.remove_prefix(std::min(comma + 1, setting.size()));
  }
  return order;
}

}  // namespace

ChainOrders::ChainOrders(std::vector<std::string> names, size_t configured,
                         const PolicyBoard* tenants)
    : names_(std::move(names)),
      configured_(First(configured, false)),
      configured_weak_(First(configured, true)),
      tenants_(tenants) {}

std::shared_ptr<const ChainOrder> ChainOrders::Of(std::string_view login) {
  const size_t at = login.rfind('@');
  if (at == std::string_view::npos) return configured_;
  const TenantPolicies& tenants = tenants_.Current();
  const TenantPolicies::Domain* const domain = tenants.OfDomain(login.substr(at + 1));
  return domain == nullptr ? configured_ : Of(domain->tenant);
}

std::shared_ptr<const ChainOrder> ChainOrders::Of(TenantId tenant) {
  const TenantRules& rules = tenants_.Current().Of(tenant).rules;
  return OfSetting(rules.auth_chain, rules.weak_schemes);
}

std::shared_ptr<const ChainOrder> ChainOrders::OfAll() {
  const TenantPolicies& tenants = tenants_.Current();
  if (of_all_ != nullptr && of_all_generation_ == tenants_.generation()) return of_all_;
  std::set<uint32_t> links(configured_->links.begin(), configured_->links.end());
  for (const std::string& setting : tenants.auth_chains) {
    const std::shared_ptr<const ChainOrder> one = OfSetting(setting, false);
    links.insert(one->links.begin(), one->links.end());
  }
  auto all = std::make_shared<ChainOrder>();
  all->links.assign(links.begin(), links.end());
  all->weak_schemes = tenants.any_weak_schemes;
  of_all_ = std::move(all);
  of_all_generation_ = tenants_.generation();
  return of_all_;
}

std::shared_ptr<const ChainOrder> ChainOrders::OfSetting(const std::string& auth_chain,
                                                         bool weak_schemes) {
  if (auth_chain.empty()) return weak_schemes ? configured_weak_ : configured_;
  const std::pair<std::string, bool> key(auth_chain, weak_schemes);
  const auto known = known_.find(key);
  if (known != known_.end()) return known->second;
  if (known_.size() >= kKnownMax) known_.clear();
  return known_.emplace(key, Parse(auth_chain, weak_schemes, names_)).first->second;
}

}  // namespace poplar::auth
