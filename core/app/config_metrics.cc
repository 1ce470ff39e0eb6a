#include "core/app/config_metrics.h"

#include <utility>

namespace poplar::app {

ConfigMetrics::ConfigMetrics(const tenant::Config& started, const base::Clock& clock)
    : clock_(clock) {
  Taken(started, started);
}

void ConfigMetrics::Taken(const tenant::Config& started, const tenant::Config& reloaded) {
  std::vector<tenant::NumberSetting> numbers = tenant::NumbersInForce(started, reloaded);
  refused_.Set(0);
  taken_s_.Set(clock_.WallUs() / 1'000'000);
  const std::lock_guard<std::mutex> lock(mutex_);
  numbers_ = std::move(numbers);
}

void ConfigMetrics::Refused() { refused_.Set(1); }

void ConfigMetrics::Register(base::MetricRegistry& registry) const {
  registry.Add(refused_, "poplar_config_refused",
               "1: the last reload was refused, and the configuration before it goes on.");
  registry.Add(taken_s_, "poplar_config_taken_timestamp_seconds",
               "When the configuration in force was read (Unix time).");
  registry.AddCollected(
      [this](std::vector<base::MetricRegistry::Entry>& entries) { Collect(entries); });
}

void ConfigMetrics::Collect(std::vector<base::MetricRegistry::Entry>& entries) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const tenant::NumberSetting& number : numbers_) {
    base::MetricRegistry::Entry entry;
    entry.kind = base::MetricRegistry::Kind::kGauge;
    entry.name = "poplar_setting";
    entry.help =
        "The numbers of poplar.toml as the server goes by them, in the unit of each setting.";
    entry.labels = {{"setting", number.name}};
    entry.read = [value = number.value] { return static_cast<double>(value); };
    entries.push_back(std::move(entry));
  }
}

}  // namespace poplar::app
