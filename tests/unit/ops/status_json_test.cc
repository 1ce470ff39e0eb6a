#include "core/ops/status_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/base/recent_faults.h"
#include "core/ops/disk_metrics.h"

namespace poplar::ops {
namespace {

using nlohmann::json;

TEST(StatusJson, TellsMetricsReadinessAndFaults) {
  base::MetricRegistry registry;
  base::Counter one, other;
  base::Histogram took_us;
  registry.Add(one, "poplar_things_total", "Things.", {{"kind", "a"}});
  registry.Add(other, "poplar_things_total", "Things.", {{"kind", "a"}});
  registry.Add(took_us, 1e-6, "poplar_thing_seconds", "Time.");
  one.Add(2);
  other.Add(3);
  took_us.Observe(1);
  took_us.Observe(1'000'000'000);
  base::RememberFault(base::LogLevel::kError, "a \"fault\" \xff");
  Readiness readiness;
  const json status = json::parse(StatusJson(registry, readiness));
  EXPECT_EQ(status["not_ready"], "starting");
  EXPECT_GT(status["time_s"].get<double>(), 1e9);
  const json& things = status["metrics"]["poplar_things_total"];
  ASSERT_EQ(things.size(), 1U);
  EXPECT_EQ(things[0]["value"], 5);
  EXPECT_EQ(things[0]["labels"], (json{{"kind", "a"}}));
  const json& times = status["metrics"]["poplar_thing_seconds"][0];
  EXPECT_EQ(times["counts"].size(), base::Histogram::kBuckets);
  EXPECT_EQ(times["le"].size(), base::Histogram::kBuckets - 1);
  EXPECT_EQ(times["counts"].back(), 2);
  EXPECT_EQ(times["counts"][1], 1);
  EXPECT_EQ(times["le"][1], 2e-6);
  EXPECT_EQ(status["faults"][0], "a \"fault\" \ufffd");
  readiness.SetReady();
  EXPECT_EQ(json::parse(StatusJson(registry, readiness))["not_ready"], "");
}

TEST(StatusJson, OfManyTenantsTellsTheFirst) {
  base::MetricRegistry registry;
  base::Gauge octets, sessions;
  for (int i = 0; i < 100; ++i) {
    const base::MetricLabels of{{"tenant", "t" + std::to_string(i)}};
    registry.Add(octets, "poplar_tenant_octets", "Octets.", of);
    registry.Add(sessions, "poplar_tenant_sessions", "Sessions.", of);
  }
  const json metrics = json::parse(StatusJson(registry, Readiness()))["metrics"];
  for (const char* name : {"poplar_tenant_octets", "poplar_tenant_sessions"}) {
    ASSERT_EQ(metrics[name].size(), kStatusTenantsMax) << name;
    EXPECT_EQ(metrics[name][0]["labels"]["tenant"], "t0");
    EXPECT_EQ(metrics[name].back()["labels"]["tenant"], "t19");
  }
}

TEST(DiskMetrics, TellOfADiskThatIsThere) {
  base::MetricRegistry registry;
  RegisterDiskMetrics(registry, {{"store", "/"}, {"users", "/no/such/folder"}});
  double bytes = 0, free_bytes = 0;
  for (const auto& entry : registry.Entries()) {
    EXPECT_EQ(entry.labels, (base::MetricLabels{{"of", "store"}}));
    if (entry.name == "poplar_disk_bytes") bytes = entry.read();
    if (entry.name == "poplar_disk_free_bytes") free_bytes = entry.read();
  }
  EXPECT_GT(bytes, 0);
  EXPECT_LE(free_bytes, bytes);
}

}  // namespace
}  // namespace poplar::ops
