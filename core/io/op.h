// One kernel operation. It is a field of its owner, never allotted for the purpose: the kernel may
// write through it until its last completion arrives, so its owner must not end before. The
// destructor checks that.
//
//   class Stream {
//     void OnReceived(int32_t result, uint32_t flags);
//     OpFor<&Stream::OnReceived> receive_op_{this};
//   };
//
// Lives on one reactor's thread. DIAGNOSTICS: starting an operation in flight, or destroying it, is
// a failed check.

#pragma once

#include <cstdint>

#include "core/base/check.h"

namespace poplar::io {

class Op {
 public:
  // `result` is what the system call would return, or -errno. `flags` are those of the completion
  // (IORING_CQE_F_*). A multishot operation is called again and again; while IORING_CQE_F_MORE is
  // set it is still in flight (in_flight() says so in the handler, too). Otherwise it may be
  // started again or destroyed there.
  using Handler = void (*)(void* owner, int32_t result, uint32_t flags);

  Op(void* owner, Handler handler) : owner_(owner), handler_(handler) {}
  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;
  ~Op() { POP_CHECK(!in_flight_); }

  bool in_flight() const { return in_flight_; }

 private:
  friend class Reactor;

  void* const owner_;
  const Handler handler_;
  bool in_flight_ = false;
};

namespace internal {

template <class Method>
struct OwnerOf;
template <class Owner>
struct OwnerOf<void (Owner::*)(int32_t, uint32_t)> {
  using Type = Owner;
};

}  // namespace internal

// An Op whose completions go to a method of its owner.
template <auto Method>
class OpFor : public Op {
 public:
  using Owner = typename internal::OwnerOf<decltype(Method)>::Type;

  explicit OpFor(Owner* owner)
      : Op(owner, [](void* o, int32_t result, uint32_t flags) {
          (static_cast<Owner*>(o)->*Method)(result, flags);
        }) {}
};

}  // namespace poplar::io
