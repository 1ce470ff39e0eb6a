#include "bench/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "bench/load/corpus.h"

namespace poplar::load {
namespace {

TEST(HistogramTest, IsEmptyAtFirst) {
  Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.Quantile(0.5), 0U);
  EXPECT_EQ(histogram.max(), 0U);
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (uint64_t value = 0; value < 64; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.Quantile(0), 0U);
  EXPECT_EQ(histogram.Quantile(0.5), 31U);
  EXPECT_EQ(histogram.Quantile(1), 63U);
}

TEST(HistogramTest, OneValueIsKnownToWithinABucket) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (uint64_t value :
         {(uint64_t{1} << bit) - 1, uint64_t{1} << bit, (uint64_t{1} << bit) / 7 * 8}) {
      Histogram histogram;
      histogram.Record(value);
      EXPECT_EQ(histogram.Quantile(0.5), value);  // never above the maximum
      histogram.Record(std::numeric_limits<uint64_t>::max());
      uint64_t median = histogram.Quantile(0.5);
      EXPECT_GE(median, value);
      EXPECT_LE(static_cast<double>(median - value), static_cast<double>(value) * 0.032) << value;
    }
  }
}

TEST(HistogramTest, QuantilesAgreeWithSorting) {
  Histogram histogram;
  Histogram other;
  std::vector<uint64_t> values;
  for (uint64_t i = 0; i < 20'000; ++i) {
    uint64_t value = Mix(i, 5) >> (20 + Mix(i, 6) % 30);
    values.push_back(value);
    (i % 2 == 0 ? histogram : other).Record(value);
  }
  histogram.Merge(other);
  std::ranges::sort(values);
  for (double quantile : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    auto rank = static_cast<size_t>(std::ceil(quantile * 20'000)) - 1;
    auto exact = static_cast<double>(values[rank]);
    EXPECT_NEAR(static_cast<double>(histogram.Quantile(quantile)), exact, exact * 0.032 + 1);
  }
  EXPECT_EQ(histogram.count(), 20'000U);
  EXPECT_EQ(histogram.max(), values.back());
}

}  // namespace
}  // namespace poplar::load
