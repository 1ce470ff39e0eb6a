#include "core/app/config_metrics.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::app {
namespace {

double Value(const base::MetricRegistry& registry, const std::string& name,
             const base::MetricLabels& labels = {}) {
  for (const auto& entry : registry.Entries()) {
    if (entry.name == name && entry.labels == labels) return entry.read();
  }
  ADD_FAILURE() << "no " << name;
  return -1;
}

TEST(ConfigMetrics, TellWhatIsInForceAndWhetherTheLastReloadWasTaken) {
  tenant::Config config;
  ConfigMetrics metrics(config, base::SystemClock());
  base::MetricRegistry registry;
  metrics.Register(registry);
  const base::MetricLabels idle{{"setting", "pop3.idle_timeout_s"}};
  EXPECT_EQ(Value(registry, "poplar_setting", idle), 600);
  EXPECT_EQ(Value(registry, "poplar_config_refused"), 0);
  EXPECT_GT(Value(registry, "poplar_config_taken_timestamp_seconds"), 1e9);
  metrics.Refused();
  EXPECT_EQ(Value(registry, "poplar_config_refused"), 1);
  tenant::Config next = config;
  next.pop3.idle_timeout_s = 30;
  metrics.Taken(config, next);
  EXPECT_EQ(Value(registry, "poplar_setting", idle), 30);
  EXPECT_EQ(Value(registry, "poplar_config_refused"), 0);
}

}  // namespace
}  // namespace poplar::app
