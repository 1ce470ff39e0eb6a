// Until when something may last. Any thread.

#pragma once

#include <chrono>
#include <cstdint>

namespace poplar::plugins {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

// Milliseconds until then, at least 0, as poll takes them.
int MillisecondsUntil(Deadline deadline);

// In so many milliseconds, but not after `deadline`.
Deadline Within(uint32_t milliseconds, Deadline deadline);

// An equal share of the time that is left, where `n` want it one after the other.
Deadline ShareOf(Deadline deadline, size_t n);

// Waits for one of `events` (POLLIN, POLLOUT). Those that came, POLLERR and POLLHUP among them; 0:
// none until the deadline.
short WaitFor(int fd, short events, Deadline deadline);

}  // namespace poplar::plugins
