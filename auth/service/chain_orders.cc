#include "auth/service/chain_orders.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace poplar::auth {
namespace {

std::shared_ptr<const ChainOrder> First(size_t count) {
  auto order = std::make_shared<ChainOrder>();
  order->links.resize(count);
  std::iota(order->links.begin(), order->links.end(), 0U);
  return order;
}

std::shared_ptr<const ChainOrder> Parse(std::string_view setting,
                                        const std::vector<std::string>& names) {
  auto order = std::make_shared<ChainOrder>();
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
    : names_(std::move(names)), configured_(First(configured)), tenants_(tenants) {}

std::shared_ptr<const ChainOrder> ChainOrders::Of(std::string_view login) {
  const size_t at = login.rfind('@');
  if (at == std::string_view::npos) return configured_;
  const TenantPolicies& tenants = tenants_.Current();
  const TenantPolicies::Domain* const domain = tenants.OfDomain(login.substr(at + 1));
  return domain == nullptr ? configured_ : Of(domain->tenant);
}

std::shared_ptr<const ChainOrder> ChainOrders::Of(TenantId tenant) {
  return Parsed(tenants_.Current().Of(tenant).rules.auth_chain);
}

std::shared_ptr<const ChainOrder> ChainOrders::OfAll() {
  const TenantPolicies& tenants = tenants_.Current();
  if (of_all_ != nullptr && of_all_generation_ == tenants_.generation()) return of_all_;
  std::set<uint32_t> links(configured_->links.begin(), configured_->links.end());
  for (const std::string& setting : tenants.auth_chains) {
    const std::shared_ptr<const ChainOrder> one = Parsed(setting);
    links.insert(one->links.begin(), one->links.end());
  }
  auto all = std::make_shared<ChainOrder>();
  all->links.assign(links.begin(), links.end());
  of_all_ = std::move(all);
  of_all_generation_ = tenants_.generation();
  return of_all_;
}

std::shared_ptr<const ChainOrder> ChainOrders::Parsed(const std::string& setting) {
  if (setting.empty()) return configured_;
  const auto known = known_.find(setting);
  if (known != known_.end()) return known->second;
  if (known_.size() >= kKnownMax) known_.clear();
  return known_.emplace(setting, Parse(setting, names_)).first->second;
}

}  // namespace poplar::auth
