// Buffers that the kernel picks itself when data arrives on any of a shard's connections (io_uring
// provided-buffer ring): an idle connection holds none. One ring a protocol, so that a flood of one
// cannot starve the other.
//
// A receive that finds the ring empty ends with -ENOBUFS: its stream counts that (exhausted), gives
// back what it holds, and receives again.
//
// Lives on one reactor's thread and must end before its reactor. DIAGNOSTICS: giving back a buffer
// twice is a failed check (the kernel would write two connections' bytes into one place).

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

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
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;
  // REQUIRES: no receive into this ring is in flight.
  ~BufferRing();

  // The bytes of a completed receive (`flags` and `result` as its handler got them); empty if it
  // brought none. They stay until Give.
  std::string_view Take(int32_t result, uint32_t flags);
  // Returns the buffer of that completion to the kernel. Does nothing if it brought none.
  // REQUIRES: Take before.
  void Give(uint32_t flags);

  uint16_t group() const { return options_.group; }
  // Receives that ended with -ENOBUFS: the ring was empty. The stream counts them here and receives
  // again.
  base::Counter& exhausted() { return exhausted_; }

 private:
  BufferRing(Reactor& reactor, const BufferRingOptions& options);
  Status MapAndRegister();
  void Offer(uint16_t buffer);

  Reactor& reactor_;
  const BufferRingOptions options_;
  size_t ring_bytes_ = 0;
  size_t mapped_bytes_ = 0;
  char* mapped_ = nullptr;  // The ring the kernel reads, then the buffers.
  bool registered_ = false;
  std::vector<bool> taken_;
  base::Counter exhausted_;
};

}  // namespace poplar::io
