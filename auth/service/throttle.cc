#include "auth/service/throttle.h"

#include <arpa/inet.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/check.h"

namespace poplar::auth {
namespace {

constexpr uint32_t kLevelLimit = 255;  // Eight bits.
constexpr uint64_t kTimeMask = 0xffffff;
constexpr uint64_t kTimeUnitsPerFailure = 16;

uint64_t Random() {
  uint64_t number = 0;
  POP_CHECK(::getrandom(&number, sizeof(number), 0) == sizeof(number));
  return number;
}

uint32_t TagOf(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
uint32_t LevelOf(uint64_t word) { return static_cast<uint32_t>(word >> 24) & 0xff; }
uint64_t TimeOf(uint64_t word) { return word & kTimeMask; }

uint64_t Word(uint32_t tag, uint32_t level, uint64_t time) {
  return (static_cast<uint64_t>(tag) << 32) | (static_cast<uint64_t>(level) << 24) |
         (time & kTimeMask);
}

}  // namespace

uint64_t AddressPrefix(const std::string& address) {
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return v4.s_addr;
  in6_addr v6{};
  if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1) return UINT64_MAX;
  uint64_t words[2];
  std::memcpy(words, &v6, sizeof(words));
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return words[1] >> 32;  // As the IPv4 address itself.
  return words[0];
}

Throttle::Throttle(const ThrottleOptions& options)
    : options_(options),
      seed_(Random()),
      buckets_(std::bit_ceil(std::max<size_t>(options.prefixes_max / kWays, 1))),
      words_(std::make_unique<std::atomic<uint64_t>[]>(buckets_ * kWays)) {
  POP_CHECK(options_.forget_ms > 0);
  // Guilt ends where more of it would change nothing for a while: the delay doubles each time.
  const uint32_t doublings =
      std::bit_width(options_.delay_max_ms / std::max<uint32_t>(options_.delay_first_ms, 1));
  level_max_ = std::min(options_.failures_free + doublings + 5, kLevelLimit);
}

uint64_t Throttle::Mix(uint64_t prefix) const {
  // SplitMix64's finisher over a random seed: strangers cannot choose whom they collide with.
  uint64_t x = prefix ^ seed_;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = ((x ^ (x >> 27)) + seed_) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

uint64_t Throttle::Units(uint64_t now_us) const {
  return now_us * kTimeUnitsPerFailure / (uint64_t{options_.forget_ms} * 1000);
}

uint32_t Throttle::Level(uint64_t word, uint64_t now_us) const {
  const uint64_t passed = (Units(now_us) - TimeOf(word)) & kTimeMask;
  const uint64_t forgotten = passed / kTimeUnitsPerFailure;
  return LevelOf(word) > forgotten ? LevelOf(word) - static_cast<uint32_t>(forgotten) : 0;
}

uint32_t Throttle::DelayMs(uint64_t prefix, uint64_t now_us) const {
  const uint64_t mixed = Mix(prefix);
  const auto tag = static_cast<uint32_t>(mixed);
  const std::atomic<uint64_t>* bucket = &words_[((mixed >> 32) & (buckets_ - 1)) * kWays];
  for (uint32_t i = 0; i < kWays; ++i) {
    const uint64_t word = bucket[i].load(std::memory_order_relaxed);
    if (word == 0 || TagOf(word) != tag) continue;
    const uint32_t level = Level(word, now_us);
    if (level <= options_.failures_free) return 0;
    const uint32_t doublings = std::min(level - options_.failures_free - 1, 20U);
    return static_cast<uint32_t>(
        std::min<uint64_t>(uint64_t{options_.delay_first_ms} << doublings, options_.delay_max_ms));
  }
  return 0;
}

void Throttle::AddFailure(uint64_t prefix, uint64_t now_us) {
  const uint64_t mixed = Mix(prefix);
  const auto tag = static_cast<uint32_t>(mixed);
  std::atomic<uint64_t>* bucket = &words_[((mixed >> 32) & (buckets_ - 1)) * kWays];
  std::atomic<uint64_t>* place = bucket;  // Its own, or the least guilty one's.
  uint32_t least = kLevelLimit + 1;
  for (uint32_t i = 0; i < kWays; ++i) {
    const uint64_t word = bucket[i].load(std::memory_order_relaxed);
    if (word != 0 && TagOf(word) == tag) {
      place = &bucket[i];
      break;
    }
    const uint32_t level = word == 0 ? 0 : Level(word, now_us);
    if (level < least) {
      least = level;
      place = &bucket[i];
    }
  }
  uint64_t before = place->load(std::memory_order_relaxed);
  uint64_t after = 0;
  do {
    const uint32_t level = before != 0 && TagOf(before) == tag ? Level(before, now_us) : 0;
    after = Word(tag, std::min(level + 1, level_max_), Units(now_us));
  } while (!place->compare_exchange_weak(before, after, std::memory_order_relaxed));
}

}  // namespace poplar::auth
