#include "core/app/tenant_metrics.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace poplar::app {
namespace {

using Entry = base::MetricRegistry::Entry;

// What a tenant has and does, or the sum of several.
struct Figures {
  storage::TenantTotals totals;
  uint64_t sessions_now = 0;
  uint64_t sessions = 0;
  uint64_t messages_in = 0;
  uint64_t octets_in = 0;
  uint64_t messages_out = 0;
  uint64_t octets_out = 0;
  std::array<uint64_t, kTenantLimits> refused{};

  // By which tenants are put in order.
  uint64_t weight() const { return totals.octets + octets_in + octets_out; }

  void Add(const Figures& other) {
    totals.octets += other.totals.octets;
    totals.messages += other.totals.messages;
    totals.kept_octets += other.totals.kept_octets;
    sessions_now += other.sessions_now;
    sessions += other.sessions;
    messages_in += other.messages_in;
    octets_in += other.octets_in;
    messages_out += other.messages_out;
    octets_out += other.octets_out;
    for (size_t i = 0; i < kTenantLimits; ++i) refused[i] += other.refused[i];
  }
};

Figures FiguresOf(const storage::TenantTotals& totals, const TenantGate& gate) {
  const auto read = [](const auto& word) { return word.load(std::memory_order_relaxed); };
  Figures figures;
  figures.totals = totals;
  figures.sessions_now = read(gate.sessions);
  figures.sessions = read(gate.usage.sessions);
  figures.messages_in = read(gate.usage.messages_in);
  figures.octets_in = read(gate.usage.octets_in);
  figures.messages_out = read(gate.usage.messages_out);
  figures.octets_out = read(gate.usage.octets_out);
  for (size_t i = 0; i < kTenantLimits; ++i) figures.refused[i] = read(gate.refused[i]);
  return figures;
}

// The metrics of one tenant, or of none.
class Series {
 public:
  Series(std::vector<Entry>& entries, base::MetricLabels labels)
      : entries_(entries), labels_(std::move(labels)) {}

  void AddGauge(std::string_view name, std::string_view help, uint64_t value) {
    Add(base::MetricRegistry::Kind::kGauge, name, help, labels_, value);
  }
  void AddCounter(std::string_view name, std::string_view help, uint64_t value) {
    Add(base::MetricRegistry::Kind::kCounter, name, help, labels_, value);
  }
  // Where there is no limit there is no gauge: nothing is divided by zero.
  void AddLimit(std::string_view name, std::string_view help, uint64_t limit) {
    if (limit != 0) AddGauge(name, help, limit);
  }
  void AddRefused(std::string_view limit, uint64_t value) {
    base::MetricLabels labels = labels_;
    labels.emplace_back("limit", limit);
    Add(base::MetricRegistry::Kind::kCounter, "poplar_tenant_refused_total",
        "What a tenant's settings turned away, by the setting.", std::move(labels), value);
  }

 private:
  void Add(base::MetricRegistry::Kind kind, std::string_view name, std::string_view help,
           base::MetricLabels labels, uint64_t value) {
    Entry entry;
    entry.kind = kind;
    entry.name = name;
    entry.help = help;
    entry.labels = std::move(labels);
    entry.read = [value] { return static_cast<double>(value); };
    entries_.push_back(std::move(entry));
  }

  std::vector<Entry>& entries_;
  const base::MetricLabels labels_;
};

void AddFigures(const Figures& figures, Series series) {
  series.AddGauge("poplar_tenant_octets", "Octets of a tenant's messages, as quotas count.",
                  figures.totals.octets);
  series.AddGauge("poplar_tenant_messages", "A tenant's messages.", figures.totals.messages);
  series.AddGauge("poplar_tenant_kept_octets",
                  "Octets of a tenant's deleted messages that can be brought back; in no quota.",
                  figures.totals.kept_octets);
  series.AddGauge("poplar_tenant_sessions", "A tenant's POP3 sessions now.", figures.sessions_now);
  series.AddCounter("poplar_tenant_sessions_total", "A tenant's POP3 sessions.", figures.sessions);
  series.AddCounter("poplar_tenant_delivered_messages_total",
                    "Messages stored for a tenant, one for each recipient.", figures.messages_in);
  series.AddCounter("poplar_tenant_delivered_octets_total", "Their octets.", figures.octets_in);
  series.AddCounter("poplar_tenant_fetched_messages_total",
                    "Messages that a tenant's users fetched whole.", figures.messages_out);
  series.AddCounter("poplar_tenant_fetched_octets_total",
                    "Octets of messages that went to a tenant's users.", figures.octets_out);
  for (size_t i = 0; i < kTenantLimits; ++i) {
    series.AddRefused(kTenantLimitNames[i], figures.refused[i]);
  }
}

}  // namespace

void TenantMetrics::Register(base::MetricRegistry& registry) const {
  registry.AddCollected([this](std::vector<Entry>& entries) { Collect(entries); });
}

void TenantMetrics::Collect(std::vector<Entry>& entries) const {
  const std::shared_ptr<const TenantPolicies> policies = policies_.Current();
  std::vector<std::pair<uint64_t, Figures>> tenants;
  tenants.reserve(policies->by_tenant.size());
  for (const auto& [id, policy] : policies->by_tenant) {
    tenants.emplace_back(id, FiguresOf(store_.TotalsOf(TenantId(id)), *policies->gates.at(id)));
  }
  const size_t told = std::min<size_t>(tenants.size(), tenants_max_);
  const auto first_rest = tenants.begin() + static_cast<ptrdiff_t>(told);
  std::partial_sort(tenants.begin(), first_rest, tenants.end(), [](const auto& a, const auto& b) {
    const uint64_t a_weight = a.second.weight();
    const uint64_t b_weight = b.second.weight();
    return a_weight != b_weight ? a_weight > b_weight : a.first < b.first;
  });
  for (auto each = tenants.begin(); each != first_rest; ++each) {
    const TenantPolicy& policy = policies->Of(TenantId(each->first));
    Series series(entries, {{"tenant", policy.name}});
    AddFigures(each->second, series);
    series.AddLimit("poplar_tenant_quota_octets", "A tenant's quota; absent: no limit.",
                    policy.quota.octets);
    series.AddLimit("poplar_tenant_quota_messages", "A tenant's quota; absent: no limit.",
                    policy.quota.messages);
  }
  if (first_rest != tenants.end()) {
    Figures rest;
    for (auto each = first_rest; each != tenants.end(); ++each) rest.Add(each->second);
    AddFigures(rest, Series(entries, {{"tenant", std::string(kRestOfTenants)}}));
  }
  Series(entries, {})
      .AddGauge("poplar_tenants_without_metrics",
                "Tenants beyond http.tenant_metrics_max, which have metrics together only.",
                tenants.size() - told);
}

}  // namespace poplar::app
