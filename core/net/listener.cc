#include "core/net/listener.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/net/keepalive.h"

namespace poplar::net {
namespace {

constexpr uint64_t kClaimStepMs = 10;  // The first.

Status ListenError(int error_number, const Address& address, std::string_view what) {
  std::string where = "listening on " + address.Text();
  if (error_number == EADDRINUSE)
    return MakeStatus(StatusCode::kFailedPrecondition,
                      where + ": another process listens there already");
  if (error_number == EADDRNOTAVAIL)
    return MakeStatus(StatusCode::kFailedPrecondition,
                      where + ": this machine does not have that address");
  if (error_number == EACCES && address.family != Address::Family::kUnix && address.port < 1024)
    return MakeStatus(StatusCode::kPermissionDenied,
                      where +
                          ": ports below 1024 need root or the capability "
                          "CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=)");
  return ErrnoStatus(error_number, where + ": " + std::string(what));
}

void SetOption(int fd, int level, int name, int value) {
  // What it can refuse here (an option that this family lacks) does no harm.
  (void)setsockopt(fd, level, name, &value, sizeof(value));
}

StatusOr<base::UniqueFd> NewSocket(const Address& address, bool reuse_port) {
  const int family = address.family == Address::Family::kUnix   ? AF_UNIX
                     : address.family == Address::Family::kIpv4 ? AF_INET
                                                                : AF_INET6;
  base::UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ListenError(errno, address, "socket");
  if (family != AF_UNIX) {
    SetOption(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuse_port) SetOption(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1);
    if (family == AF_INET6) SetOption(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  return socket;
}

// Zero, or what errno says.
int Bind(const base::UniqueFd& socket, const Address& address, const base::BindFunction& bind_for) {
  sockaddr_storage storage;
  const socklen_t bytes = address.ToSockaddr(storage);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&storage);
  return bind_for(socket.get(), generic, bytes) == 0 ? 0 : errno;
}

// False where another process listens that would share the address with us.
StatusOr<bool> ClaimPort(const Address& address, const base::BindFunction& bind_for) {
  POP_ASSIGN_OR_RETURN(const base::UniqueFd socket, NewSocket(address, /*reuse_port=*/false));
  const int error_number = Bind(socket, address, bind_for);
  if (error_number == 0) return true;
  if (error_number == EADDRINUSE) return false;
  return ListenError(error_number, address, "bind");
}

// A socket file that is left over from a process that died makes bind fail: remove it. False where
// somebody answers there.
StatusOr<bool> ClaimPath(const Address& address) {
  struct stat status;
  if (lstat(address.path.c_str(), &status) != 0) return true;
  if (!S_ISSOCK(status.st_mode))
    return MakeStatus(StatusCode::kFailedPrecondition,
                      "listening on " + address.Text() + ": a file of that name is in the way");
  base::UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return ListenError(errno, address, "socket");
  sockaddr_storage storage;
  const socklen_t bytes = address.ToSockaddr(storage);
  const int connected = connect(probe.get(), reinterpret_cast<sockaddr*>(&storage), bytes);
  if (connected == 0 || errno == EAGAIN) return false;
  if (errno != ECONNREFUSED) return ListenError(errno, address, "connect");
  if (unlink(address.path.c_str()) != 0) return ListenError(errno, address, "unlink");
  return true;
}

// A process that was killed listens until the kernel has taken its ring apart, which may be a
// moment after its end, and who starts a server anew does not wait for that.
Status Claim(const Address& address, const base::BindFunction& bind_for) {
  // Each look is a connection to whoever listens: few, and fewer the longer it lasts.
  uint64_t step_ms = kClaimStepMs;
  for (uint64_t waited_ms = 0; waited_ms <= kClaimWaitMs; waited_ms += step_ms, step_ms *= 2) {
    POP_ASSIGN_OR_RETURN(const bool claimed, address.family == Address::Family::kUnix
                                                 ? ClaimPath(address)
                                                 : ClaimPort(address, bind_for));
    if (claimed) return OkStatus();
    std::this_thread::sleep_for(std::chrono::milliseconds(step_ms));
  }
  return ListenError(EADDRINUSE, address, "claim");
}

// Accepted sockets inherit all of this.
Status SetTcpOptions(int fd, const ListenOptions& options) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetKeepalive(fd, kQuietKeepalive);
  if (options.receive_buffer_bytes > 0) {
    SetOption(fd, SOL_SOCKET, SO_RCVBUF, static_cast<int>(options.receive_buffer_bytes));
  }
  if (options.unsent_bytes_max != kUnsentUnlimited) LimitUnsent(fd, options.unsent_bytes_max);
  const std::string& congestion = options.congestion_control;
  if (congestion.empty()) return OkStatus();
  if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion.data(),
                 static_cast<socklen_t>(congestion.size())) == 0)
    return OkStatus();
  return MakeStatus(StatusCode::kFailedPrecondition,
                    "congestion control \"" + congestion +
                        "\": the kernel refuses it; net.ipv4.tcp_available_congestion_control "
                        "lists what it has");
}

}  // namespace

StatusOr<std::unique_ptr<Listener>> Listener::Open(io::Reactor& reactor,
                                                   const ListenOptions& options,
                                                   NetMetrics& metrics, AcceptHandler handler) {
  const Address& address = options.address;
  const bool is_unix = address.family == Address::Family::kUnix;
  if (is_unix || (options.claim && address.port != 0)) {
    POP_RETURN_IF_ERROR(Claim(address, options.bind));
  }
  POP_ASSIGN_OR_RETURN(base::UniqueFd socket, NewSocket(address, /*reuse_port=*/true));
  const int error_number = Bind(socket, address, options.bind);
  if (error_number != 0) return ListenError(error_number, address, "bind");
  if (is_unix) {
    if (chmod(address.path.c_str(), options.unix_mode) != 0)
      return ListenError(errno, address, "chmod");
  } else {
    POP_RETURN_IF_ERROR(SetTcpOptions(socket.get(), options));
  }
  if (listen(socket.get(), static_cast<int>(options.backlog)) != 0)
    return ListenError(errno, address, "listen");
  POP_ASSIGN_OR_RETURN(auto listener, Begin(reactor, std::move(socket), options.shared, metrics,
                                            std::move(handler)));
  listener->owns_path_ = is_unix;
  return listener;
}

StatusOr<std::unique_ptr<Listener>> Listener::Adopt(io::Reactor& reactor, base::UniqueFd socket,
                                                    const ListenOptions& options,
                                                    NetMetrics& metrics, AcceptHandler handler) {
  POP_ASSIGN_OR_RETURN(const Address bound, Address::OfSocket(socket.get()));
  if (bound.family != Address::Family::kUnix) {
    POP_RETURN_IF_ERROR(SetTcpOptions(socket.get(), options));
  }
  return Begin(reactor, std::move(socket), options.shared, metrics, std::move(handler));
}

StatusOr<std::unique_ptr<Listener>> Listener::Begin(io::Reactor& reactor, base::UniqueFd socket,
                                                    bool shared, NetMetrics& metrics,
                                                    AcceptHandler handler) {
  POP_ASSIGN_OR_RETURN(Address bound, Address::OfSocket(socket.get()));
  const int flags = fcntl(socket.get(), F_GETFL);
  if (flags < 0 || fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return ListenError(errno, bound, "fcntl");
  std::unique_ptr<Listener> listener(new Listener(reactor, std::move(socket), std::move(bound),
                                                  shared, metrics, std::move(handler)));
  listener->Accept();
  return listener;
}

Listener::Listener(io::Reactor& reactor, base::UniqueFd socket, Address bound, bool shared,
                   NetMetrics& metrics, AcceptHandler handler)
    : reactor_(reactor),
      socket_(std::move(socket)),
      bound_(std::move(bound)),
      shared_(shared),
      metrics_(metrics),
      handler_(std::move(handler)),
      pause_timer_(&reactor, this) {}

Listener::~Listener() {
  if (owns_path_) (void)unlink(bound_.path.c_str());
}

void Listener::Accept() {
  if (shared_) {
    // Exclusive: of those who wait at the socket, a connection wakes the one that came first; it
    // goes to the end of the queue when it comes again.
    reactor_.Poll(poll_op_, socket_.get(), POLLIN | EPOLLEXCLUSIVE);
  } else {
    reactor_.AcceptMultishot(accept_op_, socket_.get());
  }
}

void Listener::OnReadable(int32_t result, uint32_t flags) {
  if (stopping_ != nullptr) return FinishStop();
  const int accepted =
      result < 0 ? result : accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  // Who was slower than another shard finds nobody (EAGAIN), and waits again.
  OnAccepted(accepted < 0 && result >= 0 ? -errno : accepted, flags);
}

void Listener::OnAccepted(int32_t result, uint32_t flags) {
  if (result >= 0) {
    base::UniqueFd socket(result);
    // A peer that left while it waited to be accepted has no address any more, and gets no session.
    if (StatusOr<Address> peer = Address::OfPeer(socket.get()); peer.ok()) {
      metrics_.accepted.Add();
      handler_(std::move(socket), *peer);
    }
  }
  if (flags & IORING_CQE_F_MORE) return;
  if (stopping_ != nullptr) return FinishStop();
  if (result >= 0 || result == -ECONNABORTED || result == -EINTR || result == -EAGAIN) {
    Accept();
  } else {
    base::Log(
        base::LogLevel::kWarning, "accept",
        {{"listener", bound_.Text()}, {"error", Message(ErrnoStatus(-result, "accepting rests"))}});
    Pause();
  }
}

void Listener::Pause() {
  metrics_.accept_pauses.Add();
  pause_timer_.Arm(kAcceptPauseMs);
}

void Listener::StopAccepting(io::Completion<Stopped>& done) {
  POP_CHECK(stopping_ == nullptr);
  stopping_ = &done;
  pause_timer_.Disarm();
  io::Op& waiting = shared_ ? static_cast<io::Op&>(poll_op_) : accept_op_;
  if (waiting.in_flight()) {
    reactor_.Cancel(waiting);
  } else {
    FinishStop();
  }
}

void Listener::FinishStop() {
  socket_.Reset();
  stopping_->Set({});
}

StatusOr<base::UniqueFd> Listener::ShareSocket() const {
  base::UniqueFd copy(fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ListenError(errno, bound_, "dup");
  return copy;
}

bool HasIpv6() {
  Address loopback;
  loopback.family = Address::Family::kIpv6;
  loopback.ip.back() = 1;
  const auto socket = NewSocket(loopback, /*reuse_port=*/false);
  return socket.ok() && Bind(*socket, loopback, &::bind) == 0;
}

void RefuseConnection(base::UniqueFd socket, std::string_view reply) {
  if (!reply.empty())
    (void)send(socket.get(), reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)shutdown(socket.get(), SHUT_WR);
}

}  // namespace poplar::net
