#include "auth/plugins/common/dial.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>

#include "auth/plugins/common/left_behind.h"

namespace poplar::plugins {
namespace {

struct Resolved {
  std::vector<Address> addresses;
  std::string fault;
};

Resolved ResolveNow(const std::string& host, uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (result != 0) return {.addresses = {}, .fault = ::gai_strerror(result)};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  Resolved resolved;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Address& address = resolved.addresses.emplace_back();
    std::memcpy(&address.address, one->ai_addr, one->ai_addrlen);
    address.bytes = one->ai_addrlen;
    char numeric[NI_MAXHOST];
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, numeric, sizeof numeric, nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      address.numeric = numeric;
    }
  }
  return resolved;
}

// A peer whose machine is gone is noticed after some 30 s, also while nothing is asked.
void KeepAlive(int fd) {
  const auto set = [fd](int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

// 0, or an error number.
int Connect(int fd, const Address& to, Deadline deadline) {
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to.address), to.bytes) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (WaitFor(fd, POLLOUT, deadline) == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t bytes = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
  return error;
}

}  // namespace

std::vector<Address> Resolve(const std::string& host, uint16_t port, Deadline deadline,
                             std::string& fault) {
  const Resolved numeric = ResolveNow(host, port, AI_NUMERICHOST);
  if (!numeric.addresses.empty()) return numeric.addresses;
  std::optional<Resolved> resolved =
      DoneBy<Resolved>(deadline, [host, port] { return ResolveNow(host, port, 0); });
  if (!resolved.has_value()) {
    fault = "its name was not resolved in time";
    return {};
  }
  fault = std::move(resolved->fault);
  return std::move(resolved->addresses);
}

int Dial(const std::string& host, uint16_t port, Deadline deadline, std::string& fault) {
  const std::vector<Address> addresses = Resolve(host, port, deadline, fault);
  int error = 0;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const Address& one = addresses[i];
    const int fd = ::socket(one.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    error = fd < 0 ? errno : Connect(fd, one, ShareOf(deadline, addresses.size() - i));
    if (error == 0) {
      KeepAlive(fd);
      return fd;
    }
    if (fd >= 0) ::close(fd);
  }
  if (error != 0) fault = std::generic_category().message(error);
  return -1;
}

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return host == "::1" || host == "localhost";
}

}  // namespace poplar::plugins
