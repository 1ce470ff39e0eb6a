#include "auth/service/recent_set.h"

#include <algorithm>
#include <bit>

#include "auth/service/seeded_mix.h"

namespace poplar::auth {
namespace {

constexpr uint32_t kSecondBits = 32;
constexpr uint64_t kSecondMask = (uint64_t{1} << kSecondBits) - 1;
// What is seen often is written once in a while: so large a part of its time is not looked at.
constexpr uint32_t kFreshPart = 16;

uint64_t SeenTagOf(uint64_t word) { return word >> kSecondBits; }
uint64_t SecondOf(uint64_t word) { return word & kSecondMask; }
uint64_t ToSecond(uint64_t now_us) { return now_us / 1'000'000 + 1; }

}  // namespace

RecentSet::RecentSet(const RecentSetLimits& limits)
    : limits_(limits),
      seed_(NewSeed()),
      buckets_(std::bit_ceil(std::max<size_t>(limits.entries_max / kWays, 1))),
      words_(std::make_unique<std::atomic<uint64_t>[]>(buckets_ * kWays)) {}

RecentSet::Spot RecentSet::SpotOf(uint64_t bucket, uint64_t item) const {
  const uint64_t mixed = SeededMix(seed_, bucket);
  return {.bucket = &words_[(mixed & (buckets_ - 1)) * kWays],
          .tag = SeededMix(mixed, item) >> kSecondBits};
}

bool RecentSet::IsOld(uint64_t word, uint64_t now_s) const {
  return word == 0 || SecondOf(word) + limits_.ttl_s <= now_s;
}

bool RecentSet::Contains(uint64_t bucket, uint64_t item, uint64_t now_us) const {
  const Spot spot = SpotOf(bucket, item);
  for (uint32_t i = 0; i < kWays; ++i) {
    const uint64_t word = spot.bucket[i].load(std::memory_order_relaxed);
    if (SeenTagOf(word) == spot.tag && !IsOld(word, ToSecond(now_us))) return true;
  }
  return false;
}

bool RecentSet::Add(uint64_t bucket, uint64_t item, uint64_t now_us) {
  const uint64_t now_s = ToSecond(now_us);
  const Spot spot = SpotOf(bucket, item);
  std::atomic<uint64_t>* place = spot.bucket;  // Its own, or the oldest one's.
  uint64_t oldest = UINT64_MAX;
  bool was_there = false;
  for (uint32_t i = 0; i < kWays && !was_there; ++i) {
    const uint64_t word = spot.bucket[i].load(std::memory_order_relaxed);
    was_there = word != 0 && SeenTagOf(word) == spot.tag;
    if (was_there || SecondOf(word) < oldest) {
      oldest = SecondOf(word);
      place = &spot.bucket[i];
    }
  }
  const bool counts = was_there && oldest + limits_.ttl_s > now_s;
  if (counts && oldest + limits_.ttl_s / kFreshPart >= now_s) return true;
  if (!was_there && !IsOld(place->load(std::memory_order_relaxed), now_s)) {
    forgotten_.fetch_add(1, std::memory_order_relaxed);
  }
  // Of two that take one place at once, the last one stays.
  place->store((spot.tag << kSecondBits) | (now_s & kSecondMask), std::memory_order_relaxed);
  return counts;
}

}  // namespace poplar::auth
