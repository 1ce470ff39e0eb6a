#include "core/ops/http_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace poplar::ops {

StatusOr<base::UniqueFd> ListenForHttp(const tenant::ListenAddress& address, int backlog,
                                       const base::BindFunction& bind_for) {
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  base::UniqueFd fd(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!fd.valid() || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind_for(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0 ||
      listen(fd.get(), backlog) != 0) {
    if (errno == EADDRINUSE)
      return MakeStatus(StatusCode::kFailedPrecondition,
                        "listening on " + address.ToString() +
                            " for HTTP: another process listens there already");
    return ErrnoStatus(errno, "cannot listen on " + address.ToString() + " for HTTP");
  }
  return fd;
}

StatusOr<tenant::ListenAddress> BoundAddress(int fd) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0)
    return ErrnoStatus(errno, "getsockname");
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(bound);
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(bound);
  const bool is_v6 = bound.ss_family == AF_INET6;
  const void* const ip =
      is_v6 ? static_cast<const void*>(&v6.sin6_addr) : static_cast<const void*>(&v4.sin_addr);
  if (inet_ntop(bound.ss_family, ip, host.data(), host.size()) == nullptr)
    return ErrnoStatus(errno, "inet_ntop");
  return tenant::ListenAddress{.host = host.data(),
                               .port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port)};
}

}  // namespace poplar::ops
