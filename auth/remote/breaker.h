// A circuit breaker: when a back end fails again and again, nobody waits for it any more, and it is
// tried by one question at a time until it answers. Pure; one thread.
//
//   closed ──failures_max in a row──▶ open ──pause──▶ half open ──success──▶ closed
//                                      ▲                  │ failure: a longer pause
//                                      └──────────────────┘

#pragma once

#include <cstdint>

namespace poplar::auth {

struct BreakerOptions {
  uint32_t failures_max = 5;  // In a row.
  uint64_t pause_us = 500'000;
  uint64_t pause_us_max = 30'000'000;  // It doubles with each failed try.
};

class Breaker {
 public:
  enum class State : uint8_t { kClosed, kOpen, kHalfOpen };

  explicit Breaker(const BreakerOptions& options) : options_(options) {}

  // May a question be asked? In half open the one that may is the try: it must be told of by
  // Succeeded or Failed.
  bool Allow(uint64_t now_us);
  void Succeeded();
  // `random`: any number; shards, and servers, do not try at the same moment.
  void Failed(uint64_t now_us, uint32_t random);

  State state(uint64_t now_us) const;

 private:
  const BreakerOptions options_;
  uint32_t failures_ = 0;
  uint64_t pause_us_ = 0;  // 0: closed.
  uint64_t open_until_us_ = 0;
  bool trying_ = false;
};

}  // namespace poplar::auth
