#include "core/ops/admin_client.h"

#include <sys/socket.h>

#include <cerrno>
#include <limits>

#include "core/base/clock.h"
#include "core/base/fd.h"
#include "core/ops/admin_protocol.h"
#include "core/ops/unix_line.h"

namespace poplar::ops {
namespace {

Status ConnectFailed(int error_number, const std::string& path) {
  switch (error_number) {
    case ENOENT:
    case ECONNREFUSED:
      return MakeStatus(
          StatusCode::kFailedPrecondition,
          "no server runs here (nobody listens on " + path + "); start it with `poplar serve`");
    case EACCES:
      return MakeStatus(StatusCode::kPermissionDenied,
                        "you may not use " + path + "; ask as root or as the server's user");
    default:
      return ErrnoStatus(error_number, "cannot reach the server at " + path);
  }
}

uint64_t DeadlineOf(const AdminCall& call) {
  if (call.timeout_ms == kNoTimeLimit) return std::numeric_limits<uint64_t>::max();
  return base::SystemClock().MonotonicUs() + uint64_t{call.timeout_ms} * 1000;
}

}  // namespace

StatusOr<nlohmann::json> CallAdmin(const AdminCall& call) {
  POP_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(call.socket_path));
  const base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return ConnectFailed(errno, call.socket_path);
  const LineIo io{fd.get(), DeadlineOf(call)};
  const Status written = WriteAll(io, EncodeRequest(call.command, call.arguments));
  // A server that refuses does so before it has read: its answer says more than the broken pipe.
  const auto line = ReadLine(io, kAdminReplyBytesMax);
  if (!line.ok()) return Annotate(written.ok() ? line.status() : written, "the admin socket");
  return DecodeReply(*line);
}

}  // namespace poplar::ops
