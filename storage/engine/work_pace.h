// When background work that is cut into slices may go on, so that it keeps within what it may read,
// write and compute: after each slice it rests until what it took is paid for. Time in which
// nothing was done earns nothing.

#pragma once

#include <cstdint>

namespace poplar::storage {

// 0: no limit.
struct WorkBudget {
  uint64_t bytes_per_s = 0;   // Read and written.
  uint64_t cpu_us_per_s = 0;  // Of whatever threads.
};

// Of one partition, where `sharing` partitions live on its shard: `percent` of a core is for all of
// them. 0 percent: no limit.
uint64_t CpuShare(uint32_t percent, uint64_t sharing);

struct WorkTaken {
  uint64_t bytes = 0;
  uint64_t cpu_us = 0;
};

class WorkPace {
 public:
  // Whatever was taken before is forgotten.
  void Begin(uint64_t now_us);

  // What was taken since the last call, waiting included. How long to rest before more.
  uint64_t RestUs(const WorkBudget& budget, const WorkTaken& taken, uint64_t now_us);

 private:
  uint64_t since_us_ = 0;  // The last call.
  uint64_t bytes_paid_us_ = 0;
  uint64_t cpu_paid_us_ = 0;
};

}  // namespace poplar::storage
