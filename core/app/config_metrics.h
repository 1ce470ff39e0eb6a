// What the configuration says, in numbers, and whether the last reload was taken; so that a limit
// and what comes near it stand on one page.

#pragma once

#include <mutex>
#include <vector>

#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/tenant/config.h"
#include "core/tenant/number_settings.h"

namespace poplar::app {

class ConfigMetrics {
 public:
  // The clock outlives this.
  ConfigMetrics(const tenant::Config& started, const base::Clock& clock);

  // What a reload came to. One thread.
  void Taken(const tenant::Config& started, const tenant::Config& reloaded);
  void Refused();

  // REQUIRES: this object outlives the registry's last reader.
  void Register(base::MetricRegistry& registry) const;

 private:
  void Collect(std::vector<base::MetricRegistry::Entry>& entries) const;

  const base::Clock& clock_;
  base::Gauge refused_;  // 1: the last reload was.
  base::Gauge taken_s_;  // When the configuration in force was read.
  mutable std::mutex mutex_;
  std::vector<tenant::NumberSetting> numbers_;  // With the mutex.
};

}  // namespace poplar::app
