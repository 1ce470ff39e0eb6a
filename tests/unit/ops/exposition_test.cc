#include "core/ops/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

#include "core/ops/process_metrics.h"

namespace poplar::ops {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Exposition, SumsCellsOfOneNameAndLabels) {
  base::Counter first, second, other;
  first.Add(3);
  second.Add(4);
  other.Add(9);
  base::MetricRegistry registry;
  registry.Add(first, "poplar_logins_total", "Log-ins.", {{"outcome", "ok"}});
  registry.Add(other, "poplar_logins_total", "Log-ins.", {{"outcome", "refused"}});
  registry.Add(second, "poplar_logins_total", "Log-ins.", {{"outcome", "ok"}});
  EXPECT_EQ(ExpositionText(registry),
            "# HELP poplar_logins_total Log-ins.\n"
            "# TYPE poplar_logins_total counter\n"
            "poplar_logins_total{outcome=\"ok\"} 7\n"
            "poplar_logins_total{outcome=\"refused\"} 9\n");
}

TEST(Exposition, GaugesGoBelowZeroAndLabelsAreEscaped) {
  base::Gauge gauge;
  gauge.Set(-2);
  base::MetricRegistry registry;
  registry.Add(gauge, "poplar_depth", "Depth.", {{"tenant", "a\"b\\c\nd"}});
  EXPECT_THAT(ExpositionText(registry), HasSubstr("poplar_depth{tenant=\"a\\\"b\\\\c\\nd\"} -2\n"));
}

TEST(Exposition, HistogramsOfTimesAreCumulativeAndInSeconds) {
  base::Histogram shard0, shard1;
  shard0.Observe(0);
  shard0.Observe(3);
  shard1.Observe(1000);
  shard1.Observe(uint64_t{1} << 40);
  base::MetricRegistry registry;
  registry.Add(shard0, 1e-6, "poplar_command_seconds", "Time.");
  registry.Add(shard1, 1e-6, "poplar_command_seconds", "Time.");
  const std::string text = ExpositionText(registry);
  EXPECT_THAT(text, HasSubstr("poplar_command_seconds_count 4\n"));
  EXPECT_THAT(text, HasSubstr("poplar_command_seconds_bucket{le=\"1e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("poplar_command_seconds_bucket{le=\"2e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("poplar_command_seconds_bucket{le=\"4e-06\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("poplar_command_seconds_bucket{le=\"0.000512\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("poplar_command_seconds_bucket{le=\"0.001024\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("poplar_command_seconds_bucket{le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("poplar_command_seconds_sum 1099511.62"));
}

TEST(Exposition, HistogramsOfWholeThingsHaveExactBounds) {
  base::Histogram batch;
  batch.Observe(1);
  batch.Observe(2);
  batch.Observe(4);
  base::MetricRegistry registry;
  registry.Add(batch, 1, "poplar_batch_records", "Records.");
  const std::string text = ExpositionText(registry);
  EXPECT_THAT(text, HasSubstr("poplar_batch_records_bucket{le=\"0\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("poplar_batch_records_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("poplar_batch_records_bucket{le=\"3\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("poplar_batch_records_bucket{le=\"7\"} 3\n"));
  EXPECT_THAT(text, Not(HasSubstr("le=\"2\"")));
}

double ValueOf(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + " ");
  if (at == std::string::npos) return -1;
  return std::strtod(text.c_str() + at + name.size() + 2, nullptr);
}

TEST(ProcessMetrics, SayWhatTheKernelSays) {
  base::MetricRegistry registry;
  RegisterProcessMetrics(registry, "9.8.7");
  const std::string text = ExpositionText(registry);
  EXPECT_THAT(text, HasSubstr("version=\"9.8.7\""));
  EXPECT_GT(ValueOf(text, "process_resident_memory_bytes"), 1e6);
  EXPECT_GT(ValueOf(text, "process_virtual_memory_bytes"),
            ValueOf(text, "process_resident_memory_bytes"));
  EXPECT_GE(ValueOf(text, "process_threads"), 1);
  EXPECT_GT(ValueOf(text, "process_max_fds"), 3);
  EXPECT_GT(ValueOf(text, "process_cpu_seconds_total"), 0);
  const double age_s =
      static_cast<double>(time(nullptr)) - ValueOf(text, "process_start_time_seconds");
  EXPECT_GE(age_s, -2);
  EXPECT_LT(age_s, 3600);

  const double before = ValueOf(text, "process_open_fds");
  const int fd = dup(0);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(ValueOf(ExpositionText(registry), "process_open_fds"), before + 1);
  close(fd);
}

TEST(Exposition, PromtoolFindsNothingToMend) {
  if (system("command -v promtool >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  base::MetricRegistry registry;
  base::Counter counter;
  base::Gauge gauge;
  base::Histogram histogram;
  RegisterProcessMetrics(registry, "1.0");
  registry.Add(counter, "poplar_logins_total", "Log-ins.", {{"outcome", "ok"}});
  registry.Add(gauge, "poplar_sessions", "Sessions now.");
  registry.Add(histogram, 1e-6, "poplar_command_seconds", "Time.", {{"command", "RETR"}});
  std::string name = ::testing::TempDir() + "/poplar-metrics-XXXXXX";
  const int fd = mkstemp(name.data());
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(name) << ExpositionText(registry);
  EXPECT_EQ(system(("promtool check metrics < " + name).c_str()), 0);
  unlink(name.c_str());
}

}  // namespace
}  // namespace poplar::ops
