// Lets so many coroutines of one loop through at a time; the others wait in turn. On its loop's
// thread.

#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <utility>

#include "bench/load/loop.h"

namespace poplar::load {

class Gate {
 public:
  // Whoever holds it is through. The gate must outlive it.
  class [[nodiscard]] Pass {
   public:
    explicit Pass(Gate* gate) : gate_(gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave();
    }

   private:
    Gate* gate_;
  };

  Gate(Loop* loop, uint32_t passes) : loop_(loop), free_(passes) {}

  // const Gate::Pass pass = co_await gate.Enter();
  auto Enter() {
    struct Awaiter {
      Gate* gate;
      bool await_ready() const {
        if (gate->free_ == 0) return false;
        --gate->free_;
        return true;
      }
      void await_suspend(std::coroutine_handle<> waiter) { gate->waiters_.push_back(waiter); }
      Pass await_resume() const { return Pass(gate); }
    };
    return Awaiter{this};
  }

 private:
  // The next one goes on from the loop, not from here: a crowd of which each fails at once would
  // use up the stack.
  void Leave() {
    if (waiters_.empty()) {
      ++free_;
      return;
    }
    loop_->ResumeAt(0, waiters_.front(), false);
    waiters_.pop_front();
  }

  Loop* const loop_;
  uint32_t free_;
  std::deque<std::coroutine_handle<>> waiters_;
};

}  // namespace poplar::load
