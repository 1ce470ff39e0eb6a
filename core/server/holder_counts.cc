#include "core/server/holder_counts.h"

#include <bit>

#include "core/base/check.h"

namespace poplar::server {
namespace {

constexpr uint64_t kHeldMask = (uint64_t{1} << 24) - 1;

uint64_t HeldOf(uint64_t word) { return word & kHeldMask; }
bool IsOf(uint64_t word, uint64_t hash) {
  return HeldOf(word) != 0 && ((word ^ hash) & ~kHeldMask) == 0;
}

}  // namespace

HolderCounts::HolderCounts(size_t lines) : lines_(lines) { POP_CHECK(std::has_single_bit(lines)); }

bool HolderCounts::Enter(uint64_t hash, uint32_t held_max) {
  Line& line = LineOf(hash);
  for (;;) {
    // Of words that were free, two shards may have taken one each.
    uint64_t held = 0;
    Word* own = nullptr;
    Word* free = nullptr;
    uint64_t before = 0;
    for (Word& word : line.words) {
      const uint64_t value = word.load(std::memory_order_relaxed);
      if (IsOf(value, hash)) {
        held += HeldOf(value);
        own = &word;
        before = value;
      } else if (value == 0) {
        free = &word;
      }
    }
    if (held >= held_max) return false;
    if (own == nullptr && free == nullptr) return true;
    const uint64_t after = own == nullptr ? (hash & ~kHeldMask) | 1 : before + 1;
    Word& place = own == nullptr ? *free : *own;
    if (place.compare_exchange_strong(before, after, std::memory_order_relaxed)) return true;
  }
}

void HolderCounts::Leave(uint64_t hash) {
  for (Word& word : LineOf(hash).words) {
    uint64_t value = word.load(std::memory_order_relaxed);
    while (IsOf(value, hash)) {
      const uint64_t after = HeldOf(value) == 1 ? 0 : value - 1;
      if (word.compare_exchange_weak(value, after, std::memory_order_relaxed)) return;
    }
  }
}

}  // namespace poplar::server
