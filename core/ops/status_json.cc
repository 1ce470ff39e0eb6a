#include "core/ops/status_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/recent_faults.h"
#include "core/ops/metric_families.h"

namespace poplar::ops {
namespace {

using nlohmann::json;

// Those of tenants come in the order of what they have and move.
bool IsTold(const prometheus::ClientMetric& metric, std::vector<std::string>& tenants) {
  for (const prometheus::ClientMetric::Label& label : metric.label) {
    if (label.name != "tenant") continue;
    if (std::ranges::find(tenants, label.value) != tenants.end()) return true;
    if (tenants.size() == kStatusTenantsMax) return false;
    tenants.push_back(label.value);
  }
  return true;
}

json HistogramJson(const prometheus::ClientMetric::Histogram& histogram) {
  json le = json::array();
  json counts = json::array();
  for (const prometheus::ClientMetric::Bucket& bucket : histogram.bucket) {
    if (std::isfinite(bucket.upper_bound)) le.push_back(bucket.upper_bound);
    counts.push_back(bucket.cumulative_count);
  }
  return {{"sum", histogram.sample_sum}, {"le", std::move(le)}, {"counts", std::move(counts)}};
}

json MetricJson(const prometheus::ClientMetric& metric, prometheus::MetricType type) {
  json told = json::object();
  if (type == prometheus::MetricType::Histogram) {
    told = HistogramJson(metric.histogram);
  } else {
    const bool grows = type == prometheus::MetricType::Counter;
    told["value"] = grows ? metric.counter.value : metric.gauge.value;
  }
  json labels = json::object();
  for (const prometheus::ClientMetric::Label& label : metric.label)
    labels[label.name] = label.value;
  told["labels"] = std::move(labels);
  return told;
}

}  // namespace

std::string StatusJson(const base::MetricRegistry& registry, const Readiness& readiness) {
  json metrics = json::object();
  std::vector<std::string> tenants;
  for (const prometheus::MetricFamily& family : MetricFamilies(registry)) {
    json told = json::array();
    for (const prometheus::ClientMetric& metric : family.metric) {
      if (IsTold(metric, tenants)) told.push_back(MetricJson(metric, family.type));
    }
    metrics[family.name] = std::move(told);
  }
  const json status = {{"time_s", static_cast<double>(base::SystemClock().WallUs()) * 1e-6},
                       {"not_ready", readiness.WhyNotReady().value_or("")},
                       {"metrics", std::move(metrics)},
                       {"faults", base::RecentFaults()}};
  // Whatever a value holds, the answer is JSON: the log's lines are UTF-8, and so are names.
  return status.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace poplar::ops
