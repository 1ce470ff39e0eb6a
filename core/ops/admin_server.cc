#include "core/ops/admin_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <utility>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/peer.h"
#include "core/ops/admin_protocol.h"
#include "core/ops/unix_line.h"

namespace poplar::ops {
namespace {

int Bind(int fd, const sockaddr_un& address) {
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// Makes room at `path` where a server that died left its socket.
Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat found{};
  if (lstat(path.c_str(), &found) != 0) return ErrnoStatus(errno, path);
  if (!S_ISSOCK(found.st_mode))
    return MakeStatus(StatusCode::kFailedPrecondition,
                      path + " is not a socket; move it away, or change admin.socket");
  const base::UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return ErrnoStatus(errno, "socket");
  const int connected =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (connected == 0 || errno != ECONNREFUSED)
    return MakeStatus(StatusCode::kFailedPrecondition, "another server answers on " + path);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, path);
  return OkStatus();
}

}  // namespace

void AdminMetrics::Register(base::MetricRegistry& registry) const {
  const auto add = [&registry](const base::Counter& cell, const char* outcome) {
    registry.Add(cell, "poplar_admin_requests_total", "Requests on the admin socket.",
                 {{"outcome", outcome}});
  };
  add(answered, "answered");
  add(failed, "failed");
  add(refused, "refused");
  add(broken, "broken");
}

StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(AdminServerOptions options,
                                                          AdminHandlers handlers) {
  std::unique_ptr<AdminServer> server(new AdminServer(std::move(options), std::move(handlers)));
  POP_RETURN_IF_ERROR(server->Listen());
  server->thread_ = std::thread([raw = server.get()] { raw->Run(); });
  return server;
}

Status AdminServer::Listen() {
  const std::string& path = options_.socket_path;
  POP_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  stop_ = base::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  base::UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!stop_.valid() || !listener.valid()) return ErrnoStatus(errno, "the admin socket");

  int bound = Bind(listener.get(), address);
  if (bound != 0 && errno == EADDRINUSE) {
    POP_RETURN_IF_ERROR(RemoveStale(path, address));
    bound = Bind(listener.get(), address);
  }
  if (bound != 0) return ErrnoStatus(errno, "cannot make the admin socket " + path);

  // Nobody can connect before listen, so the mode is right before anybody comes.
  struct stat made{};
  constexpr int kBacklog = 16;
  if (chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0 || lstat(path.c_str(), &made) != 0 ||
      listen(listener.get(), kBacklog) != 0) {
    const Status failed = ErrnoStatus(errno, "cannot listen on the admin socket " + path);
    unlink(path.c_str());
    return failed;
  }
  socket_device_ = made.st_dev;
  socket_inode_ = made.st_ino;
  listener_ = std::move(listener);
  return OkStatus();
}

AdminServer::~AdminServer() {
  if (thread_.joinable()) {
    POP_CHECK(eventfd_write(stop_.get(), 1) == 0);
    thread_.join();
  }
  if (!listener_.valid()) return;
  // Another's file at the same path is left alone.
  struct stat found{};
  const std::string& path = options_.socket_path;
  if (lstat(path.c_str(), &found) == 0 && found.st_dev == socket_device_ &&
      found.st_ino == socket_inode_)
    unlink(path.c_str());
}

void AdminServer::Run() {
  std::array<pollfd, 2> fds = {{{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  for (;;) {
    if (poll(fds.data(), fds.size(), -1) < 0) {
      POP_CHECK(errno == EINTR);
      continue;
    }
    if (fds[1].revents != 0) return;
    const base::UniqueFd connection(
        accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection.valid()) {
      Serve(connection.get());
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The caller stays in the backlog. Waiting keeps this from spinning until one is free.
      constexpr int kPauseMs = 100;
      poll(&fds[1], 1, kPauseMs);
    }
  }
}

uint64_t AdminServer::Deadline() const {
  return base::SystemClock().MonotonicUs() + uint64_t{options_.io_timeout_ms} * 1000;
}

void AdminServer::Serve(int fd) {
  if (!base::PeerIsTrusted(fd)) {
    metrics_.refused.Add();
    const StatusOr<nlohmann::json> refusal =
        MakeStatus(StatusCode::kPermissionDenied,
                   "the admin socket answers root and the server's own user only");
    // Closing says it as well; that it could not be told changes nothing.
    WriteAll({fd, Deadline(), stop_.get()}, EncodeReply(refusal)).IgnoreError();
    return;
  }
  const auto line = ReadLine({fd, Deadline(), stop_.get()}, kAdminRequestBytesMax);
  if (!line.ok() && line.status().code() != StatusCode::kResourceExhausted) {
    metrics_.broken.Add();
    return;
  }
  const StatusOr<nlohmann::json> result = line.ok() ? Answer(*line) : line.status();
  const Status written = WriteAll({fd, Deadline(), stop_.get()}, EncodeReply(result));
  if (!written.ok())
    metrics_.broken.Add();
  else if (!result.ok())
    metrics_.failed.Add();
  else
    metrics_.answered.Add();
}

StatusOr<nlohmann::json> AdminServer::Answer(std::string_view line) {
  POP_ASSIGN_OR_RETURN(const AdminRequest request, DecodeRequest(line));
  const auto handler = handlers_.find(request.command);
  if (handler == handlers_.end())
    return MakeStatus(StatusCode::kUnimplemented, "this server knows no command \"" +
                                                      request.command +
                                                      "\"; is it as new as the poplar command?");
  base::Log(base::LogLevel::kInfo, "admin", {{"command", request.command}});
  try {
    return handler->second(request.arguments);
  } catch (const nlohmann::json::exception& error) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      request.command + ": wrong arguments: " + error.what());
  }
}

}  // namespace poplar::ops
