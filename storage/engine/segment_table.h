// The segments of a partition that bodies can be read from, as they were at one moment. Immutable;
// a snapshot that holds one pins every segment in it (a segment may be unlinked when no table that
// lists it is held any more). Any thread.

#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace poplar::storage {

struct SegmentRef {
  uint32_t number = 0;
  uint64_t salt = 0;
};

struct SegmentTable {
  std::vector<SegmentRef> segments;  // By number.

  std::optional<uint64_t> SaltOf(uint32_t number) const {
    const auto found = std::lower_bound(
        segments.begin(), segments.end(), number,
        [](const SegmentRef& segment, uint32_t wanted) { return segment.number < wanted; });
    if (found == segments.end() || found->number != number) return std::nullopt;
    return found->salt;
  }
};

}  // namespace poplar::storage
