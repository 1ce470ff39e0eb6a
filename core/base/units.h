// Multiples of octets.

#pragma once

#include <cstdint>

namespace poplar {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;

}  // namespace poplar
