// Which segments have further names: a snapshot of the store links them, and while it is there, to
// unlink them frees nothing. On a full disk the compactor leaves them alone.
//
// Lives on its partition's shard, a field of the compactor.

#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/io/offload_pool.h"
#include "core/io/reactor.h"
#include "storage/env/env.h"

namespace poplar::storage {

class LinkedSegments final : private io::OffloadJob {
 public:
  // `directory`: of the log.
  LinkedSegments(Env* env, std::string directory, uint32_t partition, io::Reactor& reactor,
                 io::OffloadPool& disk);

  // Somebody looked, and not long ago.
  bool known() const { return !stale_ && reactor_.now_us() < known_until_us_; }
  // Begins to look at these, if nobody does yet.
  void Look(std::vector<uint32_t> numbers);
  // From now on nothing is known.
  void Forget() { stale_ = true; }
  bool contains(uint32_t number) const { return linked_.contains(number); }
  bool idle() const { return !pending(); }

 private:
  void Work() override;
  void Done() override;

  Env& env_;
  const std::string directory_;
  const uint32_t partition_;
  io::Reactor& reactor_;
  io::OffloadPool& disk_;

  bool stale_ = true;  // Since the look under way, or the last one, began.
  uint64_t known_until_us_ = 0;
  std::set<uint32_t> linked_;
  std::vector<uint32_t> numbers_;  // Of the job.
  std::set<uint32_t> found_;
};

}  // namespace poplar::storage
