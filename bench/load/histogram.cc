#include "bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/base/check.h"

namespace poplar::load {

// Values of b bits (b > kSubBits) keep their top kSubBits bits: kHalf buckets for each b.
size_t Histogram::BucketOf(uint64_t value) {
  auto bits = static_cast<unsigned>(std::bit_width(value));
  if (bits <= kSubBits) return static_cast<size_t>(value);
  unsigned shift = bits - kSubBits;
  return shift * kHalf + static_cast<size_t>(value >> shift);
}

uint64_t Histogram::UpperEnd(size_t bucket) {
  if (bucket < 2 * kHalf) return bucket;
  size_t shift = bucket / kHalf - 1;
  uint64_t top = bucket - shift * kHalf;
  return (top << shift) + ((uint64_t{1} << shift) - 1);
}

void Histogram::Record(uint64_t value) {
  ++counts_[BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

uint64_t Histogram::Quantile(double quantile) const {
  POP_CHECK(quantile >= 0 && quantile <= 1);
  auto rank = static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
  rank = std::max<uint64_t>(rank, 1);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(UpperEnd(i), max_);
  }
  return max_;
}

}  // namespace poplar::load
