// When maildrops were logged in to last, of all shards, for tenants that ask for a delay between
// log-ins. Memory is fixed: words of 8 bytes, found by a hash; where too many meet, the oldest is
// forgotten. A restart forgets all. Any thread.

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
  void Remember(uint64_t maildrop_hash, uint64_t now_us);

 private:
  static constexpr size_t kSets = size_t{1} << 14;
  static constexpr size_t kWays = 8;
  // The upper half tells the maildrop, the lower one the second, from 1. 0: free.
  using Set = std::array<std::atomic<uint64_t>, kWays>;

  Set& SetOf(uint64_t hash) const { return (*sets_)[hash % kSets]; }

  const uint64_t seed_;
  const std::unique_ptr<std::array<Set, kSets>> sets_ = std::make_unique<std::array<Set, kSets>>();
};

}  // namespace poplar::server
