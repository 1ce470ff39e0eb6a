#include "auth/service/guilt_table.h"

#include <algorithm>
#include <bit>

#include "auth/service/seeded_mix.h"
#include "core/base/check.h"

namespace poplar::auth {
namespace {

constexpr uint32_t kTimeBits = 40;
constexpr uint64_t kTimeMask = (uint64_t{1} << kTimeBits) - 1;
constexpr uint32_t kLevelsBeyondTheLast = 5;

uint64_t GuiltTagOf(uint64_t word) { return word >> kTimeBits; }
uint64_t TimeOf(uint64_t word) { return word & kTimeMask; }

uint64_t LevelMax(const GuiltLimits& limits) {
  const auto doublings = static_cast<uint32_t>(
      std::bit_width(limits.delay_max_ms / std::max<uint32_t>(limits.delay_first_ms, 1)));
  return uint64_t{limits.free} + doublings + kLevelsBeyondTheLast;
}

}  // namespace

GuiltTable::GuiltTable(const GuiltLimits& limits)
    : limits_(limits),
      seed_(NewSeed()),
      level_max_(LevelMax(limits)),
      buckets_(std::bit_ceil(std::max<size_t>(limits.entries_max / kWays, 1))),
      words_(std::make_unique<std::atomic<uint64_t>[]>(buckets_ * kWays)) {
  POP_CHECK(limits_.forget_ms > 0);
}

GuiltTable::Spot GuiltTable::SpotOf(uint64_t key) const {
  const uint64_t mixed = SeededMix(seed_, key);
  return {.bucket = &words_[(mixed & (buckets_ - 1)) * kWays], .tag = mixed >> kTimeBits};
}

uint64_t GuiltTable::Level(uint64_t word, uint64_t now_ms) const {
  const uint64_t time = TimeOf(word);
  return time <= now_ms ? 0 : (time - now_ms + limits_.forget_ms - 1) / limits_.forget_ms;
}

uint64_t GuiltTable::WordOf(uint64_t key) const {
  const Spot spot = SpotOf(key);
  for (uint32_t i = 0; i < kWays; ++i) {
    const uint64_t word = spot.bucket[i].load(std::memory_order_relaxed);
    if (word != 0 && GuiltTagOf(word) == spot.tag) return word;
  }
  return 0;
}

uint32_t GuiltTable::DelayMsAt(uint64_t level) const {
  if (level <= limits_.free) return 0;
  const uint64_t doublings = std::min<uint64_t>(level - limits_.free - 1, 20);
  return static_cast<uint32_t>(
      std::min<uint64_t>(uint64_t{limits_.delay_first_ms} << doublings, limits_.delay_max_ms));
}

GuiltTable::Wait GuiltTable::WaitOf(uint64_t key, uint64_t now_us) const {
  const uint64_t now_ms = now_us / 1000;
  const uint64_t word = WordOf(key);
  const uint32_t delay_ms = DelayMsAt(Level(word, now_ms));
  if (delay_ms == 0) return {};
  return {.delay_ms = delay_ms,
          .lasts_ms = TimeOf(word) - now_ms - uint64_t{limits_.free} * limits_.forget_ms};
}

uint32_t GuiltTable::DelayMs(uint64_t key, uint64_t now_us, uint32_t beside) const {
  return DelayMsAt(Level(WordOf(key), now_us / 1000) + beside);
}

bool GuiltTable::Add(uint64_t key, uint64_t now_us) {
  const uint64_t now_ms = now_us / 1000;
  const Spot spot = SpotOf(key);
  std::atomic<uint64_t>* place = spot.bucket;  // Its own, or the least guilty one's.
  uint64_t least = UINT64_MAX;
  for (uint32_t i = 0; i < kWays; ++i) {
    const uint64_t word = spot.bucket[i].load(std::memory_order_relaxed);
    if (word != 0 && GuiltTagOf(word) == spot.tag) {
      place = &spot.bucket[i];
      break;
    }
    if (TimeOf(word) < least) {
      least = TimeOf(word);
      place = &spot.bucket[i];
    }
  }
  uint64_t before = place->load(std::memory_order_relaxed);
  uint64_t after = 0;
  do {
    const bool is_its_own = before != 0 && GuiltTagOf(before) == spot.tag;
    const uint64_t from_ms = is_its_own ? std::max(TimeOf(before), now_ms) : now_ms;
    const uint64_t forgotten_ms =
        std::min(from_ms + limits_.forget_ms, now_ms + level_max_ * limits_.forget_ms);
    after = (spot.tag << kTimeBits) | (forgotten_ms & kTimeMask);
  } while (!place->compare_exchange_weak(before, after, std::memory_order_relaxed));
  return limits_.delay_max_ms > 0 && Level(after, now_ms) == uint64_t{limits_.free} + 1;
}

}  // namespace poplar::auth
