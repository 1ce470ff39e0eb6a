// Buffers that the kernel picks itself when data arrives on any of a shard's connections (io_uring
// provided-buffer ring): an idle connection holds none. One ring a protocol, so that a flood of one
// cannot starve the other.
//
// Lives on one reactor's thread and must end before its reactor.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/base/metrics.h"
#include "core/base/status.h"

namespace poplar::io {

class Reactor;

struct BufferRingOptions {
  uint16_t group = 0;      // Unique in its reactor.
  uint32_t buffers = 256;  // A power of two, at most 32,768.
  uint32_t buffer_bytes = 4096;
};

class BufferRing {
 public:
  static StatusOr<std::unique_ptr<BufferRing>> Create(Reactor& reactor,
                                                      const BufferRingOptions& options);
  ~BufferRing();

  // The bytes of a completed receive (`flags` and `result` as its handler got them). They stay
  // until Give.
  std::string_view Take(int32_t result, uint32_t flags) const;
  // Returns the buffer of that completion to the kernel.
  void Give(uint32_t flags);

  uint16_t group() const;
  // Receives that ended with -ENOBUFS: the ring was empty. The stream counts them here and receives
  // again.
  base::Counter& exhausted() { return exhausted_; }

 private:
  base::Counter exhausted_;
};

}  // namespace poplar::io
