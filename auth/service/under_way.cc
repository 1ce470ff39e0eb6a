#include "auth/service/under_way.h"

#include <bit>

#include "auth/service/seeded_mix.h"

namespace poplar::auth {

UnderWayTable::UnderWayTable(uint32_t entries_max)
    : seed_(NewSeed()),
      size_(std::bit_ceil(size_t{entries_max})),
      entries_(std::make_unique<Entry[]>(size_)) {}

UnderWayTable::Entry& UnderWayTable::EntryOf(uint64_t key) const {
  return entries_[SeededMix(seed_, key) & (size_ - 1)];
}

UnderWayTable::Entered UnderWayTable::Enter(uint64_t key) {
  std::atomic<uint32_t>& count = EntryOf(key).under_way;
  const uint32_t others = count.fetch_add(1, std::memory_order_acq_rel);
  return {.under_way = UnderWay(&count), .others = others};
}

uint32_t UnderWayTable::Turn(uint64_t key) const {
  return EntryOf(key).turn.load(std::memory_order_relaxed);
}

bool UnderWayTable::TakeTurn(uint64_t key, uint32_t& turn) {
  return EntryOf(key).turn.compare_exchange_strong(turn, turn + 1, std::memory_order_relaxed);
}

}  // namespace poplar::auth
