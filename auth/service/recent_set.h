// What was there lately: pairs of numbers, each forgotten when it was not seen again for `ttl_s`.
//
// Memory is fixed: an array of atomic words, eight to a bucket, read with a load and written
// (without a lock) when something is new or has grown old. The oldest of a bucket makes room. The
// first number chooses the bucket: whoever can add things under one number alone pushes out nothing
// but the few that share its bucket. Any thread.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace poplar::auth {

struct RecentSetLimits {
  uint32_t ttl_s = 86'400;
  uint32_t entries_max = 64 * 1024;  // Rounded up to a power of two.
};

class RecentSet {
 public:
  explicit RecentSet(const RecentSetLimits& limits);

  bool Contains(uint64_t bucket, uint64_t item, uint64_t now_us) const;
  // Seen now. True: it was there.
  bool Add(uint64_t bucket, uint64_t item, uint64_t now_us);
  // How many had to make room while they still counted.
  uint64_t forgotten() const { return forgotten_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kWays = 8;

  struct Spot {
    std::atomic<uint64_t>* bucket;
    uint64_t tag;
  };
  Spot SpotOf(uint64_t bucket, uint64_t item) const;
  bool IsOld(uint64_t word, uint64_t now_s) const;

  const RecentSetLimits limits_;
  const uint64_t seed_;
  const size_t buckets_;
  // A word is a tag (32 bits) and the second in which it was seen last, from 1 (32); 0 is free.
  const std::unique_ptr<std::atomic<uint64_t>[]> words_;
  std::atomic<uint64_t> forgotten_{0};
};

}  // namespace poplar::auth
