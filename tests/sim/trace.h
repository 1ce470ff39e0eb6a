// What a simulated run is made of beside its disk: the dice that every choice comes from, and the
// trace of what happened. Two runs of one seed throw the same dice and leave the same trace.

#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <string_view>

namespace poplar::sim {

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  uint64_t Next() { return engine_(); }
  // 0 to n - 1. REQUIRES: n > 0.
  uint64_t Below(uint64_t n) { return engine_() % n; }
  // low to high, both included.
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

class Trace {
 public:
  // `echo`: every line goes to standard output at once.
  explicit Trace(bool echo) : echo_(echo) {}

  void Note(std::string line);
  uint64_t hash() const { return hash_; }
  uint64_t lines() const { return lines_; }
  // The last lines, with their numbers, to standard output.
  void PrintTail() const;

 private:
  static constexpr size_t kTailLines = 120;

  const bool echo_;
  uint64_t hash_ = 0;
  uint64_t lines_ = 0;
  std::deque<std::string> tail_;
};

}  // namespace poplar::sim
