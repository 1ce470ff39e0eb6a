#include "storage/engine/work_pace.h"

#include <algorithm>

namespace poplar::storage {
namespace {

constexpr uint64_t kUsPerS = 1'000'000;

// When so much is paid for, if paying began at `from_us`.
uint64_t PaidAt(uint64_t from_us, uint64_t amount, uint64_t per_s) {
  return per_s == 0 ? from_us : from_us + amount * kUsPerS / per_s;
}

}  // namespace

uint64_t CpuShare(uint32_t percent, uint64_t sharing) {
  if (percent == 0) return 0;
  return std::max<uint64_t>(1, kUsPerS / 100 * percent / std::max<uint64_t>(1, sharing));
}

void WorkPace::Begin(uint64_t now_us) { since_us_ = bytes_paid_us_ = cpu_paid_us_ = now_us; }

uint64_t WorkPace::RestUs(const WorkBudget& budget, const WorkTaken& taken, uint64_t now_us) {
  bytes_paid_us_ = PaidAt(std::max(bytes_paid_us_, since_us_), taken.bytes, budget.bytes_per_s);
  cpu_paid_us_ = PaidAt(std::max(cpu_paid_us_, since_us_), taken.cpu_us, budget.cpu_us_per_s);
  since_us_ = now_us;
  const uint64_t paid_us = std::max(bytes_paid_us_, cpu_paid_us_);
  return paid_us - std::min(paid_us, now_us);
}

}  // namespace poplar::storage
