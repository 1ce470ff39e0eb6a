// How often something failed lately: a place, a name, a tenant. The more, the longer its next
// attempt waits; what is not repeated is forgotten, one failure each `forget_ms`.
//
// Memory is fixed, whatever strangers make up: an array of atomic words, read with a load, written
// (without a lock) when something failed. Where too many meet, the least guilty makes room: a flood
// of names with one failure each cannot wash away what was guilty before. Any thread.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace poplar::auth {

struct GuiltLimits {
  uint32_t free = 5;  // So many failures cost nothing.
  uint32_t forget_ms = 60'000;
  uint32_t delay_first_ms = 250;     // Doubled by each failure more,
  uint32_t delay_max_ms = 4'000;     // up to this; 0: nothing waits.
  uint32_t entries_max = 16 * 1024;  // Rounded up to a power of two.
};

class GuiltTable {
 public:
  explicit GuiltTable(const GuiltLimits& limits);

  struct Wait {
    uint32_t delay_ms = 0;  // Of the next attempt; 0: none.
    uint64_t lasts_ms = 0;  // Until there is none any more, if nothing is repeated.
  };
  Wait WaitOf(uint64_t key, uint64_t now_us) const;
  // The same as if so many had failed beside.
  uint32_t DelayMs(uint64_t key, uint64_t now_us, uint32_t beside = 0) const;
  // True: attempts wait from now on, and did not before.
  bool Add(uint64_t key, uint64_t now_us);

 private:
  static constexpr uint32_t kWays = 4;

  struct Spot {
    std::atomic<uint64_t>* bucket;
    uint64_t tag;
  };
  Spot SpotOf(uint64_t key) const;
  // 0: it has none.
  uint64_t WordOf(uint64_t key) const;
  uint32_t DelayMsAt(uint64_t level) const;
  // Failures that are not forgotten yet.
  uint64_t Level(uint64_t word, uint64_t now_ms) const;

  const GuiltLimits limits_;
  const uint64_t seed_;
  // More guilt than that would change nothing but how long it lasts.
  const uint64_t level_max_;
  const size_t buckets_;
  // A word is a tag (24 bits) and the ms of the clock at which all is forgotten (40); 0 is free.
  const std::unique_ptr<std::atomic<uint64_t>[]> words_;
};

}  // namespace poplar::auth
