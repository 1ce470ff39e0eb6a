#include "core/ops/unix_line.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "core/base/clock.h"
#include "core/base/units.h"

namespace poplar::ops {
namespace {

Status WaitFor(const LineIo& io, short events) {
  for (;;) {
    const uint64_t now_us = base::SystemClock().MonotonicUs();
    if (now_us >= io.deadline_us)
      return MakeStatus(StatusCode::kDeadlineExceeded, "the other side took too long");
    const uint64_t wait_ms = std::min<uint64_t>((io.deadline_us - now_us) / 1000 + 1, INT_MAX);
    std::array<pollfd, 2> fds = {{{io.fd, events, 0}, {io.interrupt_fd, POLLIN, 0}}};
    const int ready = poll(fds.data(), fds.size(), static_cast<int>(wait_ms));
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
    if (ready <= 0) continue;
    if (fds[1].revents != 0) return MakeStatus(StatusCode::kCancelled, "interrupted");
    return OkStatus();
  }
}

bool IsTransient(int error_number) {
  return error_number == EAGAIN || error_number == EWOULDBLOCK || error_number == EINTR;
}

}  // namespace

StatusOr<sockaddr_un> UnixAddress(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      std::string(path) + ": a socket's path has 1 to " +
                          std::to_string(sizeof address.sun_path - 1) + " octets");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

StatusOr<std::string> ReadLine(const LineIo& io, size_t bytes_max) {
  std::string text;
  for (;;) {
    POP_RETURN_IF_ERROR(WaitFor(io, POLLIN));
    std::array<char, 16 * kKiB> chunk;
    const ssize_t got = recv(io.fd, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got < 0 && IsTransient(errno)) continue;
    if (got < 0) return ErrnoStatus(errno, "cannot read");
    if (got == 0)
      return MakeStatus(StatusCode::kUnavailable, "the other side closed the connection");
    const std::string_view bytes(chunk.data(), static_cast<size_t>(got));
    const size_t line_feed = bytes.find('\n');
    text += bytes.substr(0, line_feed);
    if (text.size() > bytes_max)
      return MakeStatus(StatusCode::kResourceExhausted,
                        "the line is longer than " + std::to_string(bytes_max) + " octets");
    if (line_feed != std::string_view::npos) return text;
  }
}

Status WriteAll(const LineIo& io, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(io.fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && !IsTransient(errno)) return ErrnoStatus(errno, "cannot write");
    if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
    // Only who has to wait is interrupted: the answer to `drain` goes out while the server ends.
    if (!bytes.empty()) POP_RETURN_IF_ERROR(WaitFor(io, POLLOUT));
  }
  return OkStatus();
}

}  // namespace poplar::ops
