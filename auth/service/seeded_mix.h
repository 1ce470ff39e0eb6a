// Places in fixed tables for numbers that strangers choose: with a random seed, nobody outside can
// make two of them meet. Any thread.

#pragma once

#include <cstdint>

namespace poplar::auth {

// From the kernel's generator.
uint64_t NewSeed();

// SplitMix64's finisher over the seed.
inline uint64_t SeededMix(uint64_t seed, uint64_t number) {
  uint64_t x = number ^ seed;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = ((x ^ (x >> 27)) + seed) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace poplar::auth
