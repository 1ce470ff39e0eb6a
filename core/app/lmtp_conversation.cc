#include "core/app/lmtp_conversation.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace poplar::app {
namespace {

constexpr size_t kReplyLineBytesMax = 4096;
constexpr size_t kReplyLinesMax = 64;

struct Target {
  sockaddr_storage address{};
  socklen_t length = 0;
  std::string name;
};

StatusOr<Target> TargetOf(const UnixSocketPath& socket) {
  sockaddr_un address{};
  if (socket.path.size() >= sizeof address.sun_path)
    return MakeStatus(StatusCode::kInvalidArgument, socket.path + " is too long for a socket");
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.path.data(), socket.path.size());
  Target target{.length = sizeof address, .name = socket.path};
  std::memcpy(&target.address, &address, sizeof address);
  return target;
}

StatusOr<Target> TargetOf(const tenant::ListenAddress& address) {
  Target target{.name = address.ToString()};
  target.length = address.ToSockaddr(target.address);
  return target;
}

Status IoFailed(int error_number, std::string_view what) {
  if (error_number == EAGAIN || error_number == EWOULDBLOCK)
    return MakeStatus(StatusCode::kDeadlineExceeded, "the LMTP server took too long");
  return ErrnoStatus(error_number, what);
}

Status NotLmtp() {
  return MakeStatus(StatusCode::kUnavailable, "what answers there does not speak LMTP");
}

}  // namespace

StatusOr<LmtpConversation> LmtpConversation::Connect(
    const std::variant<UnixSocketPath, tenant::ListenAddress>& server, uint32_t timeout_s) {
  POP_ASSIGN_OR_RETURN(const Target target,
                       std::visit([](const auto& where) { return TargetOf(where); }, server));
  base::UniqueFd fd(socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval timeout{.tv_sec = timeout_s, .tv_usec = 0};
  if (!fd.valid() || setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0 ||
      setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0)
    return ErrnoStatus(errno, "socket");
  const auto* address = reinterpret_cast<const sockaddr*>(&target.address);
  if (connect(fd.get(), address, target.length) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED)
      return MakeStatus(StatusCode::kFailedPrecondition,
                        "no server takes mail at " + target.name +
                            "; start it with `poplar serve`, then hand the message in again");
    return IoFailed(errno, "cannot reach the server at " + target.name);
  }
  return LmtpConversation(std::move(fd));
}

StatusOr<LmtpReply> LmtpConversation::Command(std::string_view line) {
  POP_RETURN_IF_ERROR(Send(std::string(line) + "\r\n"));
  return ReadReply();
}

Status LmtpConversation::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return IoFailed(errno, "the connection to the LMTP server broke");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return OkStatus();
}

// RFC 5321 §4.2.1: "250-first", "250-more", "250 last".
StatusOr<LmtpReply> LmtpConversation::ReadReply() {
  LmtpReply reply;
  for (size_t lines = 0; lines < kReplyLinesMax; ++lines) {
    POP_ASSIGN_OR_RETURN(const std::string line, ReadLine());
    const auto is_digit = [&line](size_t i) { return line[i] >= '0' && line[i] <= '9'; };
    if (line.size() < 3 || !is_digit(0) || !is_digit(1) || !is_digit(2)) return NotLmtp();
    reply.code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (line.size() > 3 && line[3] != ' ' && line[3] != '-') return NotLmtp();
    if (lines != 0) reply.text += '\n';
    if (line.size() > 4) reply.text += line.substr(4);
    if (line.size() == 3 || line[3] == ' ') return reply;
  }
  return NotLmtp();
}

StatusOr<std::string> LmtpConversation::ReadLine() {
  for (;;) {
    if (const size_t end = received_.find('\n'); end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return line;
    }
    if (received_.size() > kReplyLineBytesMax) return NotLmtp();
    std::array<char, kReplyLineBytesMax> chunk;
    const ssize_t got = recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoFailed(errno, "the connection to the LMTP server broke");
    if (got == 0)
      return MakeStatus(StatusCode::kUnavailable, "the LMTP server closed the connection");
    received_.append(chunk.data(), static_cast<size_t>(got));
  }
}

}  // namespace poplar::app
