// A piece of work that a reactor runs once, later: a field of its owner, linked into the reactor's
// queue without an allotment. Scheduling what is queued already does nothing. The destructor checks
// that it is not queued.

#pragma once

#include "core/base/check.h"

namespace poplar::io {

class Work {
 public:
  using Handler = void (*)(void* owner);

  Work(void* owner, Handler handler) : owner_(owner), handler_(handler) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  ~Work() { POP_CHECK(!queued_); }

  bool queued() const { return queued_; }

 private:
  friend class Reactor;
  friend class WorkQueue;

  void* const owner_;
  const Handler handler_;
  Work* next_ = nullptr;
  bool queued_ = false;
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

}  // namespace poplar::io
