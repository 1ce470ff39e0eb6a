// A wait inside a driver: co_await Pause(reactor, 20).Wait(). Lives in the coroutine's frame.

#pragma once

#include <cstdint>

#include "core/io/task.h"
#include "core/io/timer.h"

namespace poplar::server {

struct PauseOver {};

class Pause {
 public:
  Pause(io::Reactor& reactor, uint64_t delay_ms) : timer_(&reactor, this) { timer_.Arm(delay_ms); }

  io::Completion<PauseOver>& Wait() { return over_; }

 private:
  void OnTimer() { over_.Set({}); }

  io::Completion<PauseOver> over_;
  io::TimerFor<&Pause::OnTimer> timer_;
};

}  // namespace poplar::server
