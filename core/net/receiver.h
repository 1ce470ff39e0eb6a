// The receiving half of a stream, into the shard's provided buffers.
//
// Provided buffers are shared by all connections of the shard, so none is held longer than the
// turn it was filled in: what its owner did not consume by then is copied to a backlog of this
// connection's own. When the backlog reaches kBacklogBytesMax nothing is received until the owner
// has taken everything and asks again: TCP then slows the peer. So a peer that sends faster than
// its owner takes costs the backlog and what one turn brings, which depends on the kind of input. A
// silent connection holds nothing.
//
// Lives on its stream's shard.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/byte_buffer.h"
#include "core/io/buffer_ring.h"
#include "core/io/op.h"
#include "core/io/reactor.h"
#include "core/io/work.h"
#include "core/net/net_metrics.h"
#include "core/net/stream_end.h"

namespace poplar::net {

inline constexpr size_t kBacklogBytesMax = 8 * 1024;

enum class InputKind : uint8_t {
  // One multishot receive: nothing to ask for again, but a turn brings as many buffers as the peer
  // can fill meanwhile (32 of them, and up to Linux 6.4 the whole ring).
  kCommands,
  // A receive for each buffer: whatever the peer sends, a turn brings one.
  kBulk,
};

class Receiver {
 public:
  // `news` is called when bytes or an end came, and when Stop has become quiet.
  using NewsHandler = void (*)(void* owner);

  Receiver(io::Reactor& reactor, io::BufferRing& buffers, NetMetrics& metrics, int fd,
           InputKind kind, void* owner, NewsHandler news);
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  // REQUIRES: quiet().
  ~Receiver();

  // The first run of what came and was not consumed. Ends with the turn, and with Consume.
  std::string_view input() const;
  // REQUIRES: bytes <= input().size().
  void Consume(size_t bytes);
  // Makes one run of all that came, by copying it.
  void Gather();
  // What ended the receiving. What came before it may still be in input().
  StreamEnd end() const { return end_; }

  // Receives from now on, if it does not already.
  void Want();
  // Finds out whether the peer is gone though the kernel did not tell, and tells of that: a
  // multishot receive may miss an end that comes while the bytes before it are received (seen with
  // resets on Linux 6.18; axboe/liburing#1549), and would wait for good.
  void LookForEnd();
  // The end that will come behind whatever waits in the kernel; kNone: none is known yet.
  StreamEnd LookAhead() const;
  // Drops all that has come, what waits in the kernel included.
  void Discard();
  // Receives no more, for good.
  void Stop();
  bool stopped() const { return stopping_; }
  // Nothing is with the kernel or the reactor.
  bool quiet() const { return !receive_op_.in_flight() && !turn_end_.queued(); }

  uint64_t received_bytes() const { return received_bytes_; }

 private:
  struct Chunk {
    std::string_view bytes;  // What is left of it.
    uint32_t flags;          // Name the buffer.
  };

  void OnReceived(int32_t result, uint32_t flags);
  void OnTurnEnd();
  void DropChunks();

  io::Reactor& reactor_;
  io::BufferRing& buffers_;
  NetMetrics& metrics_;
  const int fd_;
  const InputKind kind_;
  void* const owner_;
  const NewsHandler news_;

  // In the order of arrival: backlog_, then chunks_ from first_chunk_ on.
  base::ByteBuffer backlog_;
  std::vector<Chunk> chunks_;
  size_t first_chunk_ = 0;

  uint64_t received_bytes_ = 0;
  StreamEnd end_ = StreamEnd::kNone;
  bool wanted_ = false;
  bool stopping_ = false;
  io::OpFor<&Receiver::OnReceived> receive_op_{this};
  io::WorkFor<&Receiver::OnTurnEnd> turn_end_{this};
};

}  // namespace poplar::net
