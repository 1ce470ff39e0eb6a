// Blocking reads and writes on a Unix socket, with a deadline, for both ends of the admin socket.
// Private to core/ops.

#pragma once

#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace poplar::ops {

// kInvalidArgument if the path is longer than a socket's may be.
StatusOr<sockaddr_un> UnixAddress(std::string_view path);

struct LineIo {
  int fd;
  uint64_t deadline_us;   // Of base::SystemClock().MonotonicUs().
  int interrupt_fd = -1;  // Readable: give up with kCancelled. -1: none.
};

// Up to the first line feed, which is left out.
// Errors: kDeadlineExceeded; kResourceExhausted beyond `bytes_max`; kUnavailable if the other side
// closes early.
StatusOr<std::string> ReadLine(const LineIo& io, size_t bytes_max);

Status WriteAll(const LineIo& io, std::string_view bytes);

}  // namespace poplar::ops
