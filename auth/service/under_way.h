// How many log-ins of one kind (a name at a place) are under way at once, and whose turn it is of
// those that wait together: when their wait is over one of them goes, and the others wait anew.
//
// Memory is fixed: an array of atomic numbers, without a lock. Kinds that meet in it take each
// other's log-ins for their own, which costs a moment's wait and lets nobody through. Any thread.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace poplar::auth {

// Held by a log-in as long as it is under way. The table has to outlive it.
struct CountDown {
  void operator()(std::atomic<uint32_t>* count) const {
    count->fetch_sub(1, std::memory_order_acq_rel);
  }
};
using UnderWay = std::unique_ptr<std::atomic<uint32_t>, CountDown>;

class UnderWayTable {
 public:
  explicit UnderWayTable(uint32_t entries_max);  // Rounded up to a power of two.

  struct Entered {
    UnderWay under_way;
    uint32_t others = 0;  // That were under way before.
  };
  Entered Enter(uint64_t key);
  // Changes whenever one takes its turn.
  uint32_t Turn(uint64_t key) const;
  // `turn` is as it was when the wait began. False: another one went meanwhile, and `turn` is as it
  // is now.
  bool TakeTurn(uint64_t key, uint32_t& turn);

 private:
  struct Entry {
    std::atomic<uint32_t> under_way{0};
    std::atomic<uint32_t> turn{0};
  };
  Entry& EntryOf(uint64_t key) const;

  const uint64_t seed_;
  const size_t size_;
  const std::unique_ptr<Entry[]> entries_;
};

}  // namespace poplar::auth
