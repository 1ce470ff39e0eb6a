#include "core/io/reactor.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/io/probe.h"
#include "core/io/ring.h"
#include "core/io/timer_wheel.h"

namespace poplar::io {
namespace {

thread_local Reactor* current_reactor = nullptr;

// What the user data of a submission points at is aligned; the low bits of its address tell the
// reactor's own messages from an Op.
enum Tag : uint64_t {
  kTagOp = 0,
  kTagWoken = 1,   // Another reactor's message: there is something to do.
  kTagCancel = 2,  // A cancellation that found nothing.
  kTagWake = 4,    // A message to another reactor, whose address this is, that did not get there.
  kTagMask = 7,
};
static_assert(alignof(Op) > kTagMask && alignof(Reactor) > kTagMask);

constexpr uint64_t kTimerDelayMsMax = uint64_t{1} << 48;

uint64_t Address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

}  // namespace

void ReactorMetrics::Register(base::MetricRegistry& registry,
                              const base::MetricLabels& labels) const {
  registry.Add(turns, "poplar_reactor_turns_total", "Turns of the reactor's loop.", labels);
  registry.Add(completions, "poplar_reactor_completions_total", "Completions of kernel operations.",
               labels);
  registry.Add(waits, "poplar_reactor_waits_total",
               "Turns that had nothing to do at first and went to sleep.", labels);
  registry.Add(turn_us, 1e-6, "poplar_reactor_turn_seconds", "What a turn took, its wait left out.",
               labels);
  registry.Add(posted, "poplar_reactor_posted_total", "Work posted by other threads.", labels);
}

StatusOr<std::unique_ptr<Reactor>> Reactor::Create(const ReactorOptions& options) {
  POP_CHECK(current_reactor == nullptr);
  auto [ring, error] = Ring::Create(
      {.submission = options.submission_entries, .completion = options.completion_entries});
  if (ring == nullptr) return ExplainRingFailure(error);
  // Not EFD_NONBLOCK: the ring would not wait for it, but answer -EAGAIN.
  base::UniqueFd wake_fd(eventfd(0, EFD_CLOEXEC));
  if (!wake_fd.valid()) return ErrnoStatus(errno, "eventfd");
  std::unique_ptr<Reactor> reactor(
      new Reactor(std::move(ring), std::move(wake_fd), base::SystemClock()));
  current_reactor = reactor.get();
  reactor->ListenForWake();
  return reactor;
}

Reactor::Reactor(std::unique_ptr<Ring> ring, base::UniqueFd wake_fd, const base::Clock& clock)
    : clock_(clock),
      ring_(std::move(ring)),
      timers_(std::make_unique<TimerWheel>(clock.MonotonicUs())),
      now_us_(clock.MonotonicUs()),
      wake_fd_(std::move(wake_fd)) {}

std::unique_ptr<Reactor> Reactor::ByHand(const base::Clock& clock) {
  return std::unique_ptr<Reactor>(new Reactor(nullptr, base::UniqueFd(), clock));
}

void Reactor::SetCurrent(Reactor* reactor) { current_reactor = reactor; }

bool Reactor::HasWork() const {
  return !scheduled_.empty() || !at_turn_end_.empty() || !posted_.empty() ||
         (timers_->armed() != 0 && timers_->NextDueUs() <= clock_.MonotonicUs());
}

Reactor::~Reactor() {
  POP_CHECK(current_reactor == this && !in_turn_);
  closing_ = true;
  if (!by_hand()) Cancel(wake_op_);
  while (wake_op_.in_flight()) OneTurn(Ring::kForever);
  POP_CHECK(in_flight_ == 0);
  POP_CHECK(scheduled_.empty() && at_turn_end_.empty() && posted_.empty());
  current_reactor = nullptr;
}

Reactor* Reactor::Current() { return current_reactor; }

void Reactor::Run() {
  while (!stopped_) OneTurn(Ring::kForever);
  stopped_ = false;
  ring_->Submit();  // The last turn's messages to other reactors.
}

void Reactor::Turn(uint64_t wait_ms) {
  OneTurn(wait_ms < kTimerDelayMsMax ? wait_ms * 1'000 : Ring::kForever);
  if (!by_hand()) ring_->Submit();  // Who turns by hand may not turn again soon.
}

void Reactor::Stop() { Post(stop_work_); }

void Reactor::OneTurn(uint64_t wait_us) {
  POP_DCHECK(current_reactor == this && !in_turn_);
  if (!by_hand()) GatherAndSleep(wait_us);
  now_us_ = clock_.MonotonicUs();
  in_turn_ = true;
  if (!by_hand()) RunCompletions();
  timers_->Advance(now_us_);
  TakePosted();
  scheduled_.RunAll();
  at_turn_end_.RunAll();
  in_turn_ = false;
  metrics_.turns.Add();
  metrics_.turn_us.Observe(clock_.MonotonicUs() - now_us_);
}

void Reactor::GatherAndSleep(uint64_t wait_us) {
  if (!scheduled_.empty() || !at_turn_end_.empty() || !ring_->completed().empty()) wait_us = 0;
  if (timers_->armed() != 0) {
    const uint64_t due_us = timers_->NextDueUs();
    const uint64_t now_us = clock_.MonotonicUs();
    wait_us = std::min(wait_us, due_us > now_us ? due_us - now_us : 0);
  }
  if (wait_us == 0) {
    ring_->Submit();
    return;
  }
  // The sleeper's protocol. We say that we sleep and then look for work; who posts adds the work
  // and then looks whether we sleep (Wake). All four are sequentially consistent, so at least one
  // of the two sees the other: either we find the work, or it wakes us.
  sleeping_.store(true, std::memory_order_seq_cst);
  if (posted_.empty()) {
    metrics_.waits.Add();
    ring_->Wait(wait_us);
  } else {
    ring_->Submit();
  }
  sleeping_.store(false, std::memory_order_relaxed);
}

void Reactor::RunCompletions() {
  std::vector<Completed>& completed = ring_->completed();
  // Handlers that fill the submission queue may gather more; those are for the next turn.
  const size_t count = completed.size();
  // The kernel carries pointers as numbers.
  // NOLINTBEGIN(performance-no-int-to-ptr)
  for (size_t i = 0; i < count; ++i) {
    const Completed completion = completed[i];
    switch (completion.user_data & kTagMask) {
      case kTagOp: {
        Op& op = *reinterpret_cast<Op*>(completion.user_data);
        if ((completion.flags & IORING_CQE_F_MORE) == 0) {
          op.in_flight_ = false;
          --in_flight_;
        }
        metrics_.completions.Add();
        op.handler_(op.owner_, completion.result, completion.flags);
        break;
      }
      case kTagWake:
        if (!closing_) {
          reinterpret_cast<Reactor*>(completion.user_data & ~uint64_t{kTagMask})->SignalWakeFd();
        }
        break;
      default:  // Its arrival was all.
        break;
    }
  }
  // NOLINTEND(performance-no-int-to-ptr)
  completed.erase(completed.begin(), completed.begin() + static_cast<ptrdiff_t>(count));
}

void Reactor::TakePosted() {
  Work* work = posted_.TakeAll();
  while (work != nullptr) {
    Work* const next = work->next_;
    scheduled_.Append(*work);
    metrics_.posted.Add();
    work = next;
  }
}

void Reactor::Schedule(Work& work) {
  POP_DCHECK(current_reactor == this);
  if (work.Claim()) scheduled_.Append(work);
}

void Reactor::AtTurnEnd(Work& work) {
  POP_DCHECK(current_reactor == this);
  if (work.Claim()) at_turn_end_.Append(work);
}

void Reactor::Post(Work& work) {
  if (!work.Claim()) return;  // Whoever claimed it wakes the reactor.
  posted_.Push(work);
  Wake();
}

void Reactor::Wake() {
  // See GatherAndSleep. Of several threads that find it asleep, one wakes it.
  if (!sleeping_.load(std::memory_order_seq_cst)) return;
  if (!sleeping_.exchange(false, std::memory_order_seq_cst)) return;
  Reactor* const self = current_reactor;
  if (self == nullptr || !self->in_turn_) {  // No turn whose end would send the message.
    SignalWakeFd();
    return;
  }
  io_uring_sqe& entry = self->ring_->Next();
  io_uring_prep_msg_ring(&entry, ring_->fd(), 0, kTagWoken, 0);
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  entry.user_data = Address(this) | kTagWake;
}

void Reactor::Cancel(Op& op) {
  if (!op.in_flight_) return;
  io_uring_sqe& entry = ring_->Next();
  io_uring_prep_cancel(&entry, &op, 0);
  // If it found nothing, the operation has completed already.
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  entry.user_data = kTagCancel;
}

void Reactor::SignalWakeFd() {
  const uint64_t one = 1;
  POP_CHECK(write(wake_fd_.get(), &one, sizeof one) == sizeof one);
}

void Reactor::ListenForWake() {
  Read(wake_op_, wake_fd_.get(), {reinterpret_cast<char*>(&wake_count_), sizeof wake_count_}, 0);
}

void Reactor::OnWake(int32_t result, uint32_t) {
  if (closing_) return;
  POP_CHECK(result == sizeof wake_count_ || result == -EINTR || result == -EAGAIN);
  ListenForWake();
}

void Reactor::ArmTimer(Timer& timer, uint64_t delay_ms) {
  if (!in_turn_) now_us_ = clock_.MonotonicUs();
  timers_->Arm(timer, now_us_ + std::min(delay_ms, kTimerDelayMsMax) * 1'000);
}

}  // namespace poplar::io
