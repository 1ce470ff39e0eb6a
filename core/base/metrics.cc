#include "core/base/metrics.h"

namespace poplar::base {

void MetricRegistry::Add(const Counter& cell, std::string_view name, std::string_view help,
                         MetricLabels labels) {
  AddComputed(
      Kind::kCounter, [&cell] { return static_cast<double>(cell.Read()); }, name, help,
      std::move(labels));
}

void MetricRegistry::Add(const Gauge& cell, std::string_view name, std::string_view help,
                         MetricLabels labels) {
  AddComputed(
      Kind::kGauge, [&cell] { return static_cast<double>(cell.Read()); }, name, help,
      std::move(labels));
}

void MetricRegistry::Add(const Histogram& cell, double scale, std::string_view name,
                         std::string_view help, MetricLabels labels) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_.push_back({.kind = Kind::kHistogram,
                      .name = std::string(name),
                      .help = std::string(help),
                      .labels = std::move(labels),
                      .read = nullptr,
                      .histogram = &cell,
                      .scale = scale});
}

void MetricRegistry::AddComputed(Kind kind, std::function<double()> read, std::string_view name,
                                 std::string_view help, MetricLabels labels) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_.push_back({.kind = kind,
                      .name = std::string(name),
                      .help = std::string(help),
                      .labels = std::move(labels),
                      .read = std::move(read),
                      .histogram = nullptr,
                      .scale = 1});
}

void MetricRegistry::AddCollected(Collect collect) {
  const std::lock_guard<std::mutex> lock(mutex_);
  collected_.push_back(std::move(collect));
}

std::vector<MetricRegistry::Entry> MetricRegistry::Entries() const {
  std::vector<Entry> entries;
  std::vector<Collect> collected;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    entries = entries_;
    collected = collected_;
  }
  for (const Collect& collect : collected) collect(entries);
  return entries;
}

}  // namespace poplar::base
