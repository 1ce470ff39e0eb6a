// The reactor: one thread, one io_uring, no locks. It submits the operations of its thread, gathers
// their completions, and then runs handlers, due timers, queued work and what other threads posted,
// in this order, before it submits once more. Completions are copied out of the ring before the
// first handler runs: no recursion, short stacks.
//
// Every method but Post, Stop and Wake belongs to the reactor's own thread; a thread has one
// reactor at most. A full submission queue is flushed, never an error. Operations end exactly once
// each (multishot ones with a completion that lacks IORING_CQE_F_MORE).
//
// A reactor *by hand* (a shard's in ShardSet::ByHand) has no ring and no thread: a simulator gives
// it its turns and its clock. It has timers and work; an operation of the kernel is a failed check.
//
// DIAGNOSTICS: a reactor destroyed with operations in flight, timers armed or work queued is a
// failed check.

#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "core/base/clock.h"
#include "core/base/fd.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/io/mpsc_list.h"
#include "core/io/op.h"
#include "core/io/timer.h"
#include "core/io/work.h"

struct io_uring;
struct io_uring_sqe;

namespace poplar::io {

class BufferRing;
class Ring;
class TimerWheel;

struct ReactorOptions {
  uint32_t submission_entries = 1024;       // A power of two.
  uint32_t completion_entries = 16 * 1024;  // A power of two, at least four times as many.
};

// Written by the reactor's thread, read by anyone.
struct alignas(base::kCacheLineBytes) ReactorMetrics {
  base::Counter turns;
  base::Counter completions;
  base::Counter waits;      // Turns that had nothing to do at first and went to sleep.
  base::Histogram turn_us;  // What a turn took, its wait left out.
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

  // Turns until Stop; what was posted before Stop still runs.
  void Run();
  // One turn; waits at most `wait_ms` for something to do. For tests and for emptying before the
  // end. Not from a handler.
  void Turn(uint64_t wait_ms);
  // Any thread, as Post.
  void Stop();

  // Monotonic time, read once a turn.
  uint64_t now_us() const { return now_us_; }
  // Whether a handler is running: whoever waits for another thread here holds up all the rest.
  bool in_turn() const { return in_turn_; }

  // --- Network. Descriptors are ordinary and non-blocking.
  // Multishot accept; each result is a new descriptor (SOCK_NONBLOCK | SOCK_CLOEXEC).
  void AcceptMultishot(Op& op, int fd);
  // One receive into a buffer of `ring`: result is the length, the buffer is ring.Take(flags).
  void Receive(Op& op, int fd, BufferRing& ring);
  // The same again and again: of a peer that sends fast, a turn may bring many buffers.
  void ReceiveMultishot(Op& op, int fd, BufferRing& ring);
  // May send less than asked. `bytes` must stay until the completion. `send_flags` as send(2);
  // MSG_NOSIGNAL is added.
  void Send(Op& op, int fd, std::span<const char> bytes, int send_flags = 0);
  // One completion with the poll(2) mask that came true.
  void Poll(Op& op, int fd, uint32_t events);
  // A completion for each change.
  void PollMultishot(Op& op, int fd, uint32_t events);
  // A kernel thread runs it (io_uring has no other way): shutdown(2) itself is faster where its
  // order among operations in flight does not matter.
  void Shutdown(Op& op, int fd, int how);

  // --- Files. Short results are possible. Buffers, and the vector itself, must stay until the
  // completion.
  void Read(Op& op, int fd, std::span<char> into, uint64_t offset);
  void WriteVector(Op& op, int fd, std::span<const iovec> pieces, uint64_t offset);
  // fdatasync(2).
  void SyncData(Op& op, int fd);

  // Asks the kernel to end `op` early. It still completes, with its result or -ECANCELED. Nothing
  // happens when it is not in flight.
  void Cancel(Op& op);

  // --- Work. One piece is in one queue at a time: scheduling it again, even elsewhere, does
  // nothing.
  // Runs once, in this turn when called from the handler of an operation or a timer, else in the
  // next: work that schedules itself again keeps nobody waiting.
  void Schedule(Work& work);
  // Runs once, after everything that this turn found to do: the place to coalesce (group commit,
  // one send for all replies). When called from such work, at the end of the next turn.
  void AtTurnEnd(Work& work);
  // As Schedule, from any thread; wakes the reactor.
  // REQUIRES: the reactor outlives the call (not merely the work).
  void Post(Work& work);

  // Ends the sleep that the reactor is in or about to begin. From the turn of another reactor by
  // IORING_OP_MSG_RING, which goes out when that turn ends; from any other thread by an eventfd.
  // Who wakes it has published first what it shall find: Post does both.
  void Wake();

  TimerWheel& timers() { return *timers_; }
  const ReactorMetrics& metrics() const { return metrics_; }

 private:
  friend class BufferRing;
  friend class Shard;
  friend class ShardSet;
  friend class Timer;

  Reactor(std::unique_ptr<Ring> ring, base::UniqueFd wake_fd, const base::Clock& clock);

  // --- By hand, for Shard.
  static std::unique_ptr<Reactor> ByHand(const base::Clock& clock);
  // Makes `reactor` (or none, null) the calling thread's for what follows.
  static void SetCurrent(Reactor* reactor);
  // A turn that is this one step.
  template <class Step>
  void StepByHand(const Step& step) {
    now_us_ = clock_.MonotonicUs();
    in_turn_ = true;
    step();
    in_turn_ = false;
  }
  bool HasWork() const;
  bool by_hand() const { return ring_ == nullptr; }

  io_uring& raw_ring();
  io_uring_sqe& Begin(Op& op);
  void ArmTimer(Timer& timer, uint64_t delay_ms);
  void ListenForWake();
  void OnWake(int32_t result, uint32_t flags);
  void OnStop() { stopped_ = true; }
  void SignalWakeFd();

  void OneTurn(uint64_t wait_us);
  void GatherAndSleep(uint64_t wait_us);
  void RunCompletions();
  void TakePosted();

  // For its own thread.
  const base::Clock& clock_;
  const std::unique_ptr<Ring> ring_;  // Null: by hand.
  const std::unique_ptr<TimerWheel> timers_;
  uint64_t now_us_ = 0;
  bool in_turn_ = false;
  bool stopped_ = false;
  bool closing_ = false;
  uint64_t in_flight_ = 0;
  WorkQueue scheduled_;
  WorkQueue at_turn_end_;
  const base::UniqueFd wake_fd_;
  uint64_t wake_count_ = 0;  // What the read of the eventfd leaves here; nobody looks.
  OpFor<&Reactor::OnWake> wake_op_{this};
  WorkFor<&Reactor::OnStop> stop_work_{this};
  ReactorMetrics metrics_;

  // For every thread.
  alignas(base::kCacheLineBytes) MpscList<Work, &Work::next_> posted_;
  std::atomic<bool> sleeping_{false};
};

}  // namespace poplar::io
