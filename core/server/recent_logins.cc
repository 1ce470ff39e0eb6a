#include "core/server/recent_logins.h"

#include "core/server/door.h"

namespace poplar::server {
namespace {

constexpr uint64_t kSecondMask = 0xffff'ffff;

uint64_t TagOf(uint64_t hash) { return hash >> 32 << 32; }
uint64_t SecondOf(uint64_t now_us) { return (now_us / 1'000'000 + 1) & kSecondMask; }

}  // namespace

RecentLogins::RecentLogins() : seed_(RandomSeed()) {}

bool RecentLogins::TooSoon(uint64_t maildrop_hash, uint64_t now_us, uint32_t delay_s) const {
  if (delay_s == 0) return false;
  for (const std::atomic<uint64_t>& word : SetOf(maildrop_hash)) {
    const uint64_t seen = word.load(std::memory_order_relaxed);
    if (seen == 0 || TagOf(seen) != TagOf(maildrop_hash)) continue;
    return SecondOf(now_us) < (seen & kSecondMask) + delay_s;
  }
  return false;
}

void RecentLogins::Remember(uint64_t maildrop_hash, uint64_t now_us, uint32_t delay_s) {
  Set& set = SetOf(maildrop_hash);
  std::atomic<uint64_t>* oldest = &set.front();
  uint64_t oldest_second = UINT64_MAX;
  for (std::atomic<uint64_t>& word : set) {
    const uint64_t seen = word.load(std::memory_order_relaxed);
    const bool is_own = seen != 0 && TagOf(seen) == TagOf(maildrop_hash);
    const uint64_t second = seen & kSecondMask;
    if (second < oldest_second || is_own) {
      oldest = &word;
      oldest_second = second;
    }
    if (is_own) break;
  }
  const uint64_t seen = oldest->load(std::memory_order_relaxed);
  const bool is_anothers = seen != 0 && TagOf(seen) != TagOf(maildrop_hash);
  if (is_anothers && SecondOf(now_us) < (seen & kSecondMask) + delay_s) {
    forgotten_.fetch_add(1, std::memory_order_relaxed);
  }
  oldest->store(TagOf(maildrop_hash) | SecondOf(now_us), std::memory_order_relaxed);
}

}  // namespace poplar::server
