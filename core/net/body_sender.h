// Sends a message behind its head. Small bodies do not come here: they are copied into the output
// (SmallBodyBytesMax). Two lanes, chosen anew for each window of a body:
//
//   sendfile  the window is in the page cache, and the socket takes bytes raw (plain or kernel
//             TLS): no copy in user space. A window a turn.
//   copy      else: read into a pooled chunk, off the reactor, and sent from there. The chunk goes
//             back before a slow client is waited for, and what the client did not take is read
//             again; the page cache has it then.
//
// Who takes what was handed over within kQuickWaitUs is handed as much as the kernel takes; for
// others that is kUnsentBytesMax, as their listener set it.
//
// Lives on its stream's shard. One body at a time.

#pragma once

#include <cstdint>
#include <memory>

#include "core/base/byte_buffer.h"
#include "core/base/status.h"
#include "core/io/body.h"
#include "core/io/op.h"
#include "core/io/reactor.h"
#include "core/io/task.h"
#include "core/io/work.h"
#include "core/net/buffer_sender.h"
#include "core/net/chunk_pool.h"
#include "core/net/net_metrics.h"
#include "core/net/stream_end.h"
#include "core/net/wire.h"

namespace poplar::net {

// Measured on one core, per message of 2 / 8 / 16 KiB: copied 4.6 / 5.6 / 7.0 us; residency asked,
// head and sendfile 4.2 / 4.8 / 4.9 us, but then each reply is a send of its own, and pipelined
// replies that leave together are worth far more than that difference.
inline constexpr uint64_t kSmallBodyBytesMax = 8 * 1024;
// Where OpenSSL seals, bytes are copied in any case.
inline constexpr uint64_t kSmallSealedBodyBytesMax = 32 * 1024;
// What one connection may send before others get their turn: on loopback, where nothing is slower
// than the copy at the other end, some 100 us.
inline constexpr uint64_t kSendfileWindowBytes = 1024 * 1024;

// Kept short for slow clients, the kernel's queue would cost quick ones a turn for every 64 KiB: of
// 25 MB on loopback 1.9 times the CPU time.
inline constexpr uint64_t kQuickWaitUs = 10'000;

inline uint64_t SmallBodyBytesMax(const Wire& wire) {
  return wire.raw() ? kSmallBodyBytesMax : kSmallSealedBodyBytesMax;
}

class BodySender {
 public:
  BodySender(io::Reactor& reactor, Wire& wire, ChunkPool& chunks, NetMetrics& metrics, void* owner,
             SendEndHandler on_end);

  // Sends and consumes `head`, then sends `body`. Both stay until the end is told (maybe at once).
  // The end kBodyFailed: nothing more of the body may be sent.
  void Start(base::ByteBuffer& head, io::Body& body);
  // Ends it early with `why`, once nothing is under way any more.
  void Abort(StreamEnd why);

  // Counts a body that failed midway, also one that somebody else reads, and remembers why. `read`:
  // what its last Read said.
  void Fail(const StatusOr<size_t>& read);
  // Of the body that failed; OK: none has.
  const Status& failure() const { return failure_; }

 private:
  enum class Lane : uint8_t { kSendfile, kCopy };

  void Step();
  bool SendHead();
  void ChooseLane();
  void StepSendfile();
  void StepCopy();
  void OnRead();
  void WaitWritable();
  void OnWritable(int32_t result, uint32_t flags);
  void JudgePace();
  void ReleaseChunk();
  void End(StreamEnd end);

  io::Reactor& reactor_;
  Wire& wire_;
  ChunkPool& chunks_;
  NetMetrics& metrics_;
  void* const owner_;
  const SendEndHandler on_end_;

  base::ByteBuffer* head_ = nullptr;
  io::Body* body_ = nullptr;  // Null: not busy.
  StreamEnd abort_ = StreamEnd::kNone;
  Status failure_;
  uint64_t total_ = 0;
  uint64_t at_ = 0;          // What was handed to the socket.
  uint64_t window_end_ = 0;  // How far lane_ holds.
  Lane lane_ = Lane::kCopy;
  bool sendfile_works_ = true;
  bool sendfile_used_ = false;
  bool copy_used_ = false;
  bool quick_ = false;  // The socket's queue is not limited.
  uint64_t waits_since_us_ = 0;

  std::unique_ptr<char[]> chunk_;
  io::Completion<StatusOr<size_t>> read_;
  io::OpFor<&BodySender::OnWritable> poll_op_{this};
  io::WorkFor<&BodySender::Step> step_{this};
  io::WorkFor<&BodySender::OnRead> read_done_{this};
  ChunkPool::Waiter chunk_waiter_{step_};
};

}  // namespace poplar::net
