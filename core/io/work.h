// A piece of work that a reactor runs once, later: a field of its owner, linked into the reactor's
// queue without an allotment. Scheduling what is queued already does nothing. When its handler
// runs, it is not queued any more: it may be scheduled again or destroyed there. The destructor
// checks that it is not queued.

#pragma once

#include <atomic>

#include "core/base/check.h"

namespace poplar::io {

class Work {
 public:
  using Handler = void (*)(void* owner);

  Work(void* owner, Handler handler) : owner_(owner), handler_(handler) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  ~Work() { POP_CHECK(!queued()); }

  bool queued() const { return queued_.load(std::memory_order_relaxed); }

 private:
  friend class Reactor;
  friend class WorkQueue;

  // True if the caller is to queue it. Of several threads that post one piece of work, one does;
  // and what any of them wrote before is seen by the handler that follows (both exchanges acquire
  // and release, so the one that finds the work queued precedes the one that starts it).
  bool Claim() { return !queued_.exchange(true, std::memory_order_acq_rel); }
  void RunNow() {
    queued_.exchange(false, std::memory_order_acq_rel);
    handler_(owner_);
  }

  void* const owner_;
  const Handler handler_;
  Work* next_ = nullptr;
  std::atomic<bool> queued_{false};
};

namespace internal {

template <class Method>
struct WorkOwnerOf;
template <class Owner>
struct WorkOwnerOf<void (Owner::*)()> {
  using Type = Owner;
};

}  // namespace internal

// Work that calls a method of its owner.
template <auto Method>
class WorkFor : public Work {
 public:
  using Owner = typename internal::WorkOwnerOf<decltype(Method)>::Type;

  explicit WorkFor(Owner* owner)
      : Work(owner, [](void* o) { (static_cast<Owner*>(o)->*Method)(); }) {}
};

// Claimed work in the order it was queued. Lives on one thread.
class WorkQueue {
 public:
  bool empty() const { return first_ == nullptr; }

  void Append(Work& work) {
    work.next_ = nullptr;
    if (first_ == nullptr) {
      first_ = &work;
    } else {
      last_->next_ = &work;
    }
    last_ = &work;
  }

  // Runs what is queued now; what that queues stays for the next call, so no work can keep a turn
  // from ending by queueing itself again.
  void RunAll() {
    Work* work = first_;
    first_ = nullptr;
    while (work != nullptr) {
      Work* const next = work->next_;
      work->RunNow();
      work = next;
    }
  }

 private:
  Work* first_ = nullptr;
  Work* last_ = nullptr;
};

}  // namespace poplar::io
