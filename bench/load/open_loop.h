// An open loop: operations become due at times that no server can put off, and their latency counts
// from then. What a slow server makes wait in line is so measured, too ("coordinated omission" is
// to leave it out).

#pragma once

#include <cstdint>

#include "bench/load/histogram.h"

namespace poplar::load {

// When operations become due: a Poisson process, as of many people who know nothing of each other.
// The same for the same arguments. Not thread-safe.
class Arrivals {
 public:
  // REQUIRES: per_second > 0.
  Arrivals(double per_second, uint64_t seed, uint64_t start_ns);

  // The next time. They never decrease.
  uint64_t Next();

 private:
  const double gap_mean_ns_;
  const uint64_t seed_;
  const uint64_t start_ns_;
  uint64_t count_ = 0;
  double offset_ns_ = 0;  // of the last one from the start
};

// How the operations that became due in the measured window were begun, and what the window's end
// found undone. What is undone then has a latency all the same, and often the longest: left out, a
// server that stops shows nothing.
struct Punctuality {
  // A client begins a due operation later when all clients are busy, or this program is.
  static constexpr uint64_t kLateNs = 1'000'000;

  void Begin(uint64_t due_ns, uint64_t now_ns);
  // The window has ended, and nobody will begin what was due then.
  void NeverBegin(uint64_t due_ns, uint64_t end_ns);
  void Merge(const Punctuality& other);

  uint64_t begun = 0;
  uint64_t late = 0;        // of those, more than kLateNs after they were due
  uint64_t not_begun = 0;   // due before the window ended, but no client was free
  uint64_t unfinished = 0;  // due before the window ended, begun or not, but not done by then
  Histogram delay_ns;       // from due to begun
  Histogram not_begun_ns;   // of what was never begun, from due to the window's end
};

}  // namespace poplar::load
