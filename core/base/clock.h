// Time. Monotonic time measures, wall time dates. Code that waits or dates takes a Clock, so that
// tests and the simulator bring their own.

#pragma once

#include <cstdint>

namespace poplar::base {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t MonotonicUs() const = 0;
  // Microseconds since 1970-01-01 UTC. May step backwards.
  virtual int64_t WallUs() const = 0;
  // Blocks the thread until so much time has passed on this clock. This one really sleeps.
  virtual void SleepUs(uint64_t us) const;
  // CPU time that the calling thread has used so far: differences count. This one really asks.
  virtual uint64_t ThreadCpuUs() const;
};

// The system's clocks. Any thread.
const Clock& SystemClock();

}  // namespace poplar::base
