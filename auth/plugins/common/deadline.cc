#include "auth/plugins/common/deadline.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace poplar::plugins {

int MillisecondsUntil(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
}

Deadline Within(uint32_t milliseconds, Deadline deadline) {
  return std::min(deadline, Clock::now() + std::chrono::milliseconds(milliseconds));
}

Deadline ShareOf(Deadline deadline, size_t n) {
  const Deadline now = Clock::now();
  return now + (deadline - now) / static_cast<int64_t>(n);
}

short WaitFor(int fd, short events, Deadline deadline) {
  pollfd waited{.fd = fd, .events = events, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&waited, 1, MillisecondsUntil(deadline));
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return POLLERR;
  return ready == 0 ? short{0} : waited.revents;
}

}  // namespace poplar::plugins
