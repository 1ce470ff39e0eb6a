#include "tests/sim/trace.h"

#include <cstdio>
#include <utility>

#include "storage/format/checksum.h"

namespace poplar::sim {

void Trace::Note(std::string line) {
  ++lines_;
  hash_ = storage::Checksum(line, hash_);
  if (echo_) std::printf("%8lu %s\n", static_cast<unsigned long>(lines_), line.c_str());
  tail_.push_back(std::move(line));
  if (tail_.size() > kTailLines) tail_.pop_front();
}

void Trace::PrintTail() const {
  uint64_t number = lines_ - tail_.size();
  for (const std::string& line : tail_) {
    std::printf("%8lu %s\n", static_cast<unsigned long>(++number), line.c_str());
  }
}

}  // namespace poplar::sim
