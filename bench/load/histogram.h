// Counts of durations in log-linear buckets: every value is known to within 3.2 %, from a
// nanosecond to centuries, in 15 KiB. Not thread-safe: one a thread, merged at the end.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace poplar::load {

class Histogram {
 public:
  void Record(uint64_t value);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  // Exact. 0 when empty.
  uint64_t max() const { return max_; }
  // The smallest recorded value that at least `quantile` of all values do not exceed, as its
  // bucket's upper end (never above max()). 0 when empty. REQUIRES: 0 <= quantile <= 1.
  uint64_t Quantile(double quantile) const;

 private:
  static constexpr unsigned kSubBits = 6;  // values below 2^6 have a bucket each
  static constexpr size_t kHalf = size_t{1} << (kSubBits - 1);
  static constexpr size_t kBuckets = (64 - kSubBits) * kHalf + 2 * kHalf;

  static size_t BucketOf(uint64_t value);
  static uint64_t UpperEnd(size_t bucket);

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace poplar::load
