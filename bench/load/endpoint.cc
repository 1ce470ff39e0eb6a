#include "bench/load/endpoint.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>

namespace poplar::load {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

Status Unreadable(std::string_view text) {
  std::string message = "cannot read the address \"";
  message.append(text).append("\": write HOST:PORT with a numeric host, [HOST]:PORT for IPv6, or");
  message.append(" unix:/path");
  return MakeStatus(StatusCode::kInvalidArgument, message);
}

bool SameHost(const sockaddr* a, const sockaddr* b) {
  if (a->sa_family != b->sa_family) return false;
  if (a->sa_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in*>(a)->sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in*>(b)->sin_addr.s_addr;
  }
  if (a->sa_family != AF_INET6) return false;
  return std::memcmp(&reinterpret_cast<const sockaddr_in6*>(a)->sin6_addr,
                     &reinterpret_cast<const sockaddr_in6*>(b)->sin6_addr, sizeof(in6_addr)) == 0;
}

bool IsLoopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) != 0;
}

bool IsOfThisMachine(const sockaddr* address) {
  if (IsLoopback(address)) return true;
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return false;
  bool found = false;
  for (const ifaddrs* i = interfaces; i != nullptr && !found; i = i->ifa_next) {
    found = i->ifa_addr != nullptr && SameHost(i->ifa_addr, address);
  }
  freeifaddrs(interfaces);
  return found;
}

StatusOr<Endpoint> ParseUnix(std::string_view path) {
  Endpoint endpoint;
  auto* address = reinterpret_cast<sockaddr_un*>(&endpoint.address);
  if (path.empty() || path.size() >= sizeof(address->sun_path)) return Unreadable(path);
  address->sun_family = AF_UNIX;
  path.copy(address->sun_path, path.size());
  endpoint.address_bytes = sizeof(sockaddr_un);
  return endpoint;
}

}  // namespace

StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text.substr(kUnixPrefix.size()));
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Unreadable(text);
  std::string_view port_text = text.substr(colon + 1);
  uint16_t port = 0;
  auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return Unreadable(text);
  }
  std::string host(text.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";
  Endpoint endpoint;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&endpoint.address);
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6->sin6_addr) != 1) {
      return Unreadable(text);
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    endpoint.address_bytes = sizeof(sockaddr_in6);
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&endpoint.address);
    if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) return Unreadable(text);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    endpoint.address_bytes = sizeof(sockaddr_in);
  }
  if (!IsOfThisMachine(endpoint.raw())) {
    return MakeStatus(StatusCode::kPermissionDenied,
                      std::string(text) +
                          " is not an address of this machine: poplar-load "
                          "measures only servers that run beside it");
  }
  return endpoint;
}

}  // namespace poplar::load
