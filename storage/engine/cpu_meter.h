// The CPU time of one piece of work whose slices lie between those of others on one thread. Slices
// may stand within each other; each moment is counted once.

#pragma once

#include <cstdint>
#include <utility>

#include "core/base/clock.h"

namespace poplar::storage {

class CpuMeter {
 public:
  explicit CpuMeter(const base::Clock& clock) : clock_(clock) {}

  // Measures while it exists.
  class [[nodiscard]] Slice {
   public:
    explicit Slice(CpuMeter& meter) : meter_(meter) {
      if (meter_.depth_++ == 0) meter_.began_us_ = meter_.clock_.ThreadCpuUs();
    }
    ~Slice() {
      if (--meter_.depth_ == 0) meter_.spent_us_ += meter_.clock_.ThreadCpuUs() - meter_.began_us_;
    }
    Slice(const Slice&) = delete;
    Slice& operator=(const Slice&) = delete;

   private:
    CpuMeter& meter_;
  };

  // What another thread took for it.
  void Add(uint64_t us) { spent_us_ += us; }
  // Since the last call, but for a slice that is not over.
  uint64_t Take() { return std::exchange(spent_us_, 0); }

 private:
  const base::Clock& clock_;
  uint32_t depth_ = 0;
  uint64_t began_us_ = 0;
  uint64_t spent_us_ = 0;
};

}  // namespace poplar::storage
