// Buffers for bodies that must be read before they are sent. A chunk is held while the disk fills
// it and the socket takes it, never while a client is waited for; so their number bounds the reads
// of a shard that are under way, not its clients. Who finds none waits in turn.
//
// Lives on one reactor's thread, and must outlive its users.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/io/reactor.h"
#include "core/io/work.h"

namespace poplar::net {

inline constexpr size_t kChunkBytes = 64 * 1024;  // The cheapest size to read and send by.

class ChunkPool {
 public:
  // A field of who waits.
  class Waiter {
   public:
    // `on_grant` is scheduled when a chunk has become free for this waiter.
    explicit Waiter(io::Work& on_grant) : on_grant_(on_grant) {}

    // A chunk is here for Acquire to take.
    bool granted() const { return chunk_ != nullptr; }

   private:
    friend class ChunkPool;
    io::Work& on_grant_;
    std::unique_ptr<char[]> chunk_;
    Waiter* next_ = nullptr;
    bool waiting_ = false;
  };

  ChunkPool(io::Reactor& reactor, uint32_t chunks_max)
      : reactor_(reactor), chunks_max_(chunks_max) {}
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;
  // REQUIRES: all chunks are back.
  ~ChunkPool();

  // A chunk of kChunkBytes: what was granted to `waiter`, or a free one. Null: `waiter` waits now.
  std::unique_ptr<char[]> Acquire(Waiter& waiter);
  void Release(std::unique_ptr<char[]> chunk);
  // True if `waiter` waited and does not any more; false if a grant is on its way.
  bool Forget(Waiter& waiter);

  uint32_t in_use() const { return static_cast<uint32_t>(in_use_.Read()); }
  // REQUIRES: this outlives the registry's last reader.
  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;

 private:
  static constexpr size_t kSparesMax = 16;

  io::Reactor& reactor_;
  const uint32_t chunks_max_;
  base::Gauge in_use_;  // Granted ones included.
  std::vector<std::unique_ptr<char[]>> spares_;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

}  // namespace poplar::net
