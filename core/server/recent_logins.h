// When maildrops were logged in to last, of all shards, for tenants that ask for a delay between
// log-ins. Memory is fixed, 131,072 words of 8 bytes, found by a hash; where too many meet, the
// oldest is forgotten, and that maildrop may come again at once. A restart forgets all. Any thread.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace poplar::server {

class RecentLogins {
 public:
  RecentLogins();

  // For hashes of maildrops: nobody outside can make two meet.
  uint64_t seed() const { return seed_; }

  bool TooSoon(uint64_t maildrop_hash, uint64_t now_us, uint32_t delay_s) const;
  // `delay_s`: its tenant's.
  void Remember(uint64_t maildrop_hash, uint64_t now_us, uint32_t delay_s);
  // How many were forgotten that had logged in less than the delay of who took their place ago.
  uint64_t forgotten() const { return forgotten_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kSets = size_t{1} << 14;
  static constexpr size_t kWays = 8;
  // The upper half tells the maildrop, the lower one the second, from 1. 0: free.
  using Set = std::array<std::atomic<uint64_t>, kWays>;

  Set& SetOf(uint64_t hash) const { return (*sets_)[hash % kSets]; }

  const uint64_t seed_;
  std::atomic<uint64_t> forgotten_{0};
  const std::unique_ptr<std::array<Set, kSets>> sets_ = std::make_unique<std::array<Set, kSets>>();
};

}  // namespace poplar::server
