// A wait inside a driver; lives in the coroutine's frame, behind the completion that it sets, once.

#pragma once

#include <cstdint>

#include "core/io/task.h"
#include "core/io/timer.h"

namespace poplar::server {

struct PauseOver {};

class Pause {
 public:
  Pause(io::Reactor& reactor, uint64_t delay_ms, io::Completion<PauseOver>& over)
      : over_(over), timer_(&reactor, this) {
    timer_.Arm(delay_ms);
  }

  // It is over now.
  void Skip() {
    if (!timer_.armed()) return;
    timer_.Disarm();
    over_.Set({});
  }

 private:
  void OnTimer() { over_.Set({}); }

  io::Completion<PauseOver>& over_;
  io::TimerFor<&Pause::OnTimer> timer_;
};

}  // namespace poplar::server
