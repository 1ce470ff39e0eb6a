#include "core/ops/metric_families.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>

#include "core/base/check.h"

namespace poplar::ops {
namespace {

using base::Histogram;
using base::MetricRegistry;
using Kind = MetricRegistry::Kind;

// A family under construction: its metrics by their labels, in the order of their first cell.
struct Family {
  prometheus::MetricFamily family;
  std::map<base::MetricLabels, size_t> metric_of_labels;
};

prometheus::MetricType TypeOf(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return prometheus::MetricType::Counter;
    case Kind::kGauge:
      return prometheus::MetricType::Gauge;
    case Kind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

double UpperBound(size_t bucket, double scale) {
  if (bucket + 1 == Histogram::kBuckets) return std::numeric_limits<double>::infinity();
  const double power = std::ldexp(1.0, static_cast<int>(bucket));
  return scale == 1 ? power - 1 : power * scale;
}

// The count is the sum of the buckets as they were read, so the two always agree.
void AddHistogram(const MetricRegistry::Entry& entry, prometheus::ClientMetric::Histogram& sum) {
  if (sum.bucket.empty()) {
    sum.bucket.resize(Histogram::kBuckets);
    for (size_t i = 0; i < Histogram::kBuckets; ++i)
      sum.bucket[i].upper_bound = UpperBound(i, entry.scale);
  }
  uint64_t cumulative = 0;
  for (size_t i = 0; i < Histogram::kBuckets; ++i) {
    cumulative += entry.histogram->ReadBucket(i);
    sum.bucket[i].cumulative_count += cumulative;
  }
  sum.sample_count += cumulative;
  sum.sample_sum += static_cast<double>(entry.histogram->ReadSum()) * entry.scale;
}

prometheus::ClientMetric& MetricFor(const MetricRegistry::Entry& entry, Family& family) {
  auto& metrics = family.family.metric;
  const auto [place, is_new] = family.metric_of_labels.emplace(entry.labels, metrics.size());
  if (is_new) {
    metrics.emplace_back();
    for (const auto& [name, value] : entry.labels) metrics.back().label.push_back({name, value});
  }
  return metrics[place->second];
}

}  // namespace

std::vector<prometheus::MetricFamily> MetricFamilies(const MetricRegistry& registry) {
  std::vector<Family> families;
  std::map<std::string, size_t> family_of_name;
  for (const MetricRegistry::Entry& entry : registry.Entries()) {
    const auto [place, is_new] = family_of_name.emplace(entry.name, families.size());
    if (is_new) families.push_back({{entry.name, entry.help, TypeOf(entry.kind), {}}, {}});
    Family& family = families[place->second];
    POP_DCHECK(family.family.type == TypeOf(entry.kind));
    prometheus::ClientMetric& metric = MetricFor(entry, family);
    if (entry.kind == Kind::kCounter) metric.counter.value += entry.read();
    if (entry.kind == Kind::kGauge) metric.gauge.value += entry.read();
    if (entry.kind == Kind::kHistogram) AddHistogram(entry, metric.histogram);
  }
  std::vector<prometheus::MetricFamily> built;
  built.reserve(families.size());
  for (Family& family : families) built.push_back(std::move(family.family));
  return built;
}

}  // namespace poplar::ops
