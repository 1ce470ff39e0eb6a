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
  // The same, and nothing is asked yet.
  bool WouldAllow(uint64_t now_us) const;
  void Succeeded();
  // `random`: any number; shards, and servers, do not try at the same moment. Without `may_open` it
  // counts, and what is closed stays so.
  void Failed(uint64_t now_us, uint32_t random, bool may_open = true);
  // The one that may was not asked: the next may.
  void GiveBack() { trying_ = false; }

  State state(uint64_t now_us) const;
  bool closed() const { return pause_us_ == 0; }
  bool trying() const { return trying_; }
  // Its pause is over for less than another one.
  bool newly_half_open(uint64_t now_us) const {
    return state(now_us) == State::kHalfOpen && now_us - open_until_us_ < pause_us_;
  }

 private:
  BreakerOptions options_;
  uint32_t failures_ = 0;
  uint64_t pause_us_ = 0;  // 0: closed.
  uint64_t open_until_us_ = 0;
  bool trying_ = false;
};

}  // namespace poplar::auth
