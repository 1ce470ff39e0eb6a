#include "core/base/metrics.h"

#include <gtest/gtest.h>

namespace poplar::base {
namespace {

TEST(MetricsTest, HistogramBucketsArePowersOfTwo) {
  Histogram histogram;
  for (const uint64_t value : {0ULL, 1ULL, 2ULL, 3ULL, 4ULL, ~0ULL}) histogram.Observe(value);
  EXPECT_EQ(histogram.ReadBucket(0), 1U);  // 0
  EXPECT_EQ(histogram.ReadBucket(1), 1U);  // 1
  EXPECT_EQ(histogram.ReadBucket(2), 2U);  // 2, 3
  EXPECT_EQ(histogram.ReadBucket(3), 1U);  // 4
  EXPECT_EQ(histogram.ReadBucket(Histogram::kBuckets - 1), 1U);
}

TEST(MetricsTest, RegistryReadsTheCells) {
  MetricRegistry registry;
  Counter counter;
  Gauge gauge;
  registry.Add(counter, "poplar_test_total", "A counter.", {{"shard", "0"}});
  registry.Add(gauge, "poplar_test", "A gauge.");
  counter.Add(3);
  gauge.Add(-2);
  const auto entries = registry.Entries();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].read(), 3.0);
  EXPECT_EQ(entries[0].labels[0].second, "0");
  EXPECT_EQ(entries[1].read(), -2.0);
}

}  // namespace
}  // namespace poplar::base
