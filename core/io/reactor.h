// The reactor: one thread, one io_uring, no locks. It submits the operations of its thread, gathers
// their completions, and then runs handlers, due timers, queued work and what other threads posted,
// in this order, before it submits once more. Completions are copied out of the ring before the
// first handler runs: no recursion, short stacks.
//
// Every method but Post and Stop belongs to the reactor's own thread. A full submission queue is
// flushed, never an error. Operations end exactly once each (multishot ones with a completion that
// lacks IORING_CQE_F_MORE).

#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>

#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/io/op.h"
#include "core/io/timer.h"
#include "core/io/work.h"

namespace poplar::io {

class BufferRing;
class TimerWheel;

struct ReactorOptions {
  uint32_t submission_entries = 1024;
  uint32_t completion_entries = 16 * 1024;
};

// Written by the reactor's thread, read by anyone.
struct alignas(base::kCacheLineBytes) ReactorMetrics {
  base::Counter turns;
  base::Counter completions;
  base::Counter waits;  // Turns that found nothing to do and slept.
  base::Histogram turn_us;
  base::Counter posted;

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

class Reactor {
 public:
  // Makes the ring on the calling thread, which becomes the reactor's. Fails with the sentence of
  // the start-up probe (probe.h) when the kernel refuses.
  static StatusOr<std::unique_ptr<Reactor>> Create(const ReactorOptions& options);
  ~Reactor();

  // The reactor of the calling thread, or null.
  static Reactor* Current();

  // Turns until Stop. Then nothing may be in flight when the reactor is destroyed.
  void Run();
  // One turn; waits at most `wait_ms` for something to do. For tests and for emptying before the
  // end.
  void Turn(uint64_t wait_ms);
  // Any thread.
  void Stop();

  // Monotonic time, read once a turn.
  uint64_t now_us() const { return now_us_; }

  // --- Network. Descriptors are ordinary and non-blocking.
  // Multishot accept; each result is a new descriptor (SOCK_NONBLOCK | SOCK_CLOEXEC).
  void AcceptMultishot(Op& op, int fd);
  // Multishot receive into buffers of `ring`: result is the length, the buffer is ring.Take(flags).
  void ReceiveMultishot(Op& op, int fd, BufferRing& ring);
  // May send less than asked. `bytes` must stay until the completion. `send_flags` as send(2);
  // MSG_NOSIGNAL is added.
  void Send(Op& op, int fd, std::span<const char> bytes, int send_flags = 0);
  // One completion with the poll(2) mask that came true.
  void Poll(Op& op, int fd, uint32_t events);
  void PollMultishot(Op& op, int fd, uint32_t events);
  void Connect(Op& op, int fd, const sockaddr* address, socklen_t address_bytes);
  void Shutdown(Op& op, int fd, int how);

  // --- Files.
  void Read(Op& op, int fd, std::span<char> into, uint64_t offset);
  void WriteVector(Op& op, int fd, std::span<const iovec> pieces, uint64_t offset);
  // fdatasync(2).
  void SyncData(Op& op, int fd);

  // Asks the kernel to end `op` early. It still completes, with its result or -ECANCELED. Nothing
  // happens when it is not in flight.
  void Cancel(Op& op);

  // --- Work.
  // Runs once, in this turn if the turn is still running handlers, else in the next.
  void Schedule(Work& work);
  // Runs once, after everything that this turn found to do: the place to coalesce (group commit,
  // one send for all replies).
  void AtTurnEnd(Work& work);
  // As Schedule, from any thread; wakes the reactor.
  void Post(Work& work);

  // Wakes a sleeping reactor from another reactor's thread by IORING_OP_MSG_RING, from any other by
  // an eventfd.
  void Wake();

  TimerWheel& timers() { return *timers_; }
  const ReactorMetrics& metrics() const { return metrics_; }

 private:
  // The io implementation fills this in.
  uint64_t now_us_ = 0;
  std::unique_ptr<TimerWheel> timers_;
  ReactorMetrics metrics_;
};

}  // namespace poplar::io
