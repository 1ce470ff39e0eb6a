#include "core/app/tenant_metrics.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace poplar::app {
namespace {

using Entry = base::MetricRegistry::Entry;

// The gauges of one tenant, or of none.
class Gauges {
 public:
  Gauges(std::vector<Entry>& entries, base::MetricLabels labels)
      : entries_(entries), labels_(std::move(labels)) {}

  void Add(std::string_view name, std::string_view help, uint64_t value) {
    Entry entry;
    entry.kind = base::MetricRegistry::Kind::kGauge;
    entry.name = name;
    entry.help = help;
    entry.labels = labels_;
    entry.read = [value] { return static_cast<double>(value); };
    entries_.push_back(std::move(entry));
  }
  // Where there is no limit there is no gauge: nothing is divided by zero.
  void AddLimit(std::string_view name, std::string_view help, uint64_t limit) {
    if (limit != 0) Add(name, help, limit);
  }

 private:
  std::vector<Entry>& entries_;
  const base::MetricLabels labels_;
};

void AddTenant(const TenantPolicy& policy, const storage::TenantTotals& totals, Gauges gauges) {
  gauges.Add("poplar_tenant_octets", "Octets of a tenant's messages, as quotas count.",
             totals.octets);
  gauges.Add("poplar_tenant_messages", "A tenant's messages.", totals.messages);
  gauges.Add("poplar_tenant_kept_octets",
             "Octets of a tenant's deleted messages that can be brought back; in no quota.",
             totals.kept_octets);
  gauges.AddLimit("poplar_tenant_quota_octets", "A tenant's quota; absent: no limit.",
                  policy.quota.octets);
  gauges.AddLimit("poplar_tenant_quota_messages", "A tenant's quota; absent: no limit.",
                  policy.quota.messages);
}

}  // namespace

void TenantMetrics::Register(base::MetricRegistry& registry) const {
  registry.AddCollected([this](std::vector<Entry>& entries) { Collect(entries); });
}

void TenantMetrics::Collect(std::vector<Entry>& entries) const {
  const std::shared_ptr<const TenantPolicies> policies = policies_.Current();
  std::vector<uint64_t> tenants;
  tenants.reserve(policies->by_tenant.size());
  for (const auto& [id, policy] : policies->by_tenant) tenants.push_back(id);
  std::ranges::sort(tenants);
  const size_t told = std::min<size_t>(tenants.size(), tenants_max_);
  for (size_t i = 0; i < told; ++i) {
    const TenantId tenant(tenants[i]);
    const TenantPolicy& policy = policies->Of(tenant);
    AddTenant(policy, store_.TotalsOf(tenant), Gauges(entries, {{"tenant", policy.name}}));
  }
  Gauges(entries, {})
      .Add("poplar_tenants_without_metrics",
           "Tenants beyond http.tenant_metrics_max, which have no metrics.", tenants.size() - told);
}

}  // namespace poplar::app
