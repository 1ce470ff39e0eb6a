// Room on the disk that was granted to bodies that arrive and to segments that are laid out, and is
// not written yet, so that many of them at once leave the reserve alone as one does. Any thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "storage/env/env.h"

namespace poplar::storage {

class DiskRoom {
 public:
  // Grants `bytes` where the disk that `directory` is on has them beside `floor_bytes` and all that
  // is granted. kResourceExhausted: it does not. One system call.
  Status Grant(Env& env, const std::string& directory, uint64_t floor_bytes, uint64_t bytes);
  // They were written, or will not be.
  void GiveBack(uint64_t bytes) { granted_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  uint64_t granted_bytes() const { return granted_bytes_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> granted_bytes_{0};
};

}  // namespace poplar::storage
