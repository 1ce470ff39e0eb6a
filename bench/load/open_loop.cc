#include "bench/load/open_loop.h"

#include <cmath>

#include "bench/load/corpus.h"
#include "core/base/check.h"

namespace poplar::load {

Arrivals::Arrivals(double per_second, uint64_t seed, uint64_t start_ns)
    : gap_mean_ns_(1e9 / per_second), seed_(seed), start_ns_(start_ns) {
  POP_CHECK(per_second > 0);
}

uint64_t Arrivals::Next() {
  // Gaps of a Poisson process are exponential; `fraction` is in [0, 1).
  double fraction = static_cast<double>(Mix(seed_, count_++) >> 11) * 0x1p-53;
  offset_ns_ -= std::log1p(-fraction) * gap_mean_ns_;
  return start_ns_ + static_cast<uint64_t>(offset_ns_);
}

void Punctuality::Begin(uint64_t due_ns, uint64_t now_ns) {
  uint64_t delay = now_ns > due_ns ? now_ns - due_ns : 0;
  ++begun;
  if (delay > kLateNs) ++late;
  delay_ns.Record(delay);
}

void Punctuality::NeverBegin(uint64_t due_ns, uint64_t end_ns) {
  ++not_begun;
  ++unfinished;
  not_begun_ns.Record(end_ns - due_ns);
}

void Punctuality::Merge(const Punctuality& other) {
  begun += other.begun;
  late += other.late;
  not_begun += other.not_begun;
  unfinished += other.unfinished;
  delay_ns.Merge(other.delay_ns);
  not_begun_ns.Merge(other.not_begun_ns);
}

}  // namespace poplar::load
