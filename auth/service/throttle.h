// Failed log-ins by client address prefix (IPv4 /32, IPv6 /64): the more of them lately, the longer
// further attempts from there wait. Nobody is locked out, here or elsewhere; what is not repeated
// is forgotten, one failure each `forget_ms`.
//
// One table for all shards, because the kernel spreads one client's connections over them: a fixed
// array of atomic words, read with a load, written (without a lock) only when a log-in failed. Any
// thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace poplar::auth {

struct ThrottleOptions {
  uint32_t failures_free = 5;  // So many cost nothing.
  uint32_t delay_first_ms = 250;
  uint32_t delay_max_ms = 4000;
  uint32_t forget_ms = 60'000;
  uint32_t prefixes_max = 16 * 1024;  // Rounded up to a power of two; the least guilty make room.
  // Attempts that wait at one time, on each shard; beyond it they are refused at once.
  uint32_t waiting_max = 1024;
};

// Which addresses are one client: equal numbers. Unreadable ones (Unix sockets have none) are all
// one.
uint64_t AddressPrefix(const std::string& address);

class Throttle {
 public:
  explicit Throttle(const ThrottleOptions& options);

  // How long an attempt from there has to wait; 0: not at all.
  uint32_t DelayMs(uint64_t prefix, uint64_t now_us) const;
  void AddFailure(uint64_t prefix, uint64_t now_us);

 private:
  static constexpr uint32_t kWays = 4;

  // Failures of `word` that are not forgotten yet.
  uint32_t Level(uint64_t word, uint64_t now_us) const;
  uint64_t Mix(uint64_t prefix) const;
  // Time in sixteenths of forget_ms.
  uint64_t Units(uint64_t now_us) const;

  const ThrottleOptions options_;
  const uint64_t seed_;
  uint32_t level_max_ = 0;  // Where the delay has reached its maximum, and a few more.
  const size_t buckets_;
  // A word is tag (32 bits), failures (8), time of the last one in sixteenths of forget_ms (24); 0
  // is free.
  std::unique_ptr<std::atomic<uint64_t>[]> words_;
};

}  // namespace poplar::auth
