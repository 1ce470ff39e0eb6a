#include "core/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "core/base/check.h"

namespace poplar::net {
namespace {

Status Invalid(std::string_view text, std::string_view why) {
  return MakeStatus(StatusCode::kInvalidArgument,
                    "address \"" + std::string(text) + "\": " + std::string(why));
}

StatusOr<Address> ParseUnix(std::string_view text, std::string_view path) {
  if (path.empty()) return Invalid(text, "the path of the socket is missing");
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return Invalid(text, "the path of a Unix socket may hold 107 octets at most");
  if (path.find('\0') != std::string_view::npos) return Invalid(text, "a path holds no NUL");
  Address address;
  address.path = path;
  return address;
}

}  // namespace

StatusOr<Address> Address::Parse(std::string_view text) {
  constexpr std::string_view kUnixPrefix = "unix:";
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text, text.substr(kUnixPrefix.size()));
  if (text.starts_with('/')) return ParseUnix(text, text);

  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size())
    return Invalid(text, "a port is missing; write it like 127.0.0.1:1110 or [::1]:1110");
  const std::string_view port = text.substr(colon + 1);
  Address address;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size())
    return Invalid(text, "the port is a number from 0 to 65535");

  std::string host(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) {
    address.family = Family::kIpv6;
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), address.ip.data()) != 1)
      return Invalid(text, "between the brackets stands no IPv6 address");
    return address;
  }
  address.family = Family::kIpv4;
  if (inet_pton(AF_INET, host.c_str(), address.ip.data()) != 1)
    return Invalid(text, "write an IPv4 address, an IPv6 address in brackets, or unix:/path");
  return address;
}

Address Address::FromIpv4(const std::array<uint8_t, 16>& ip, uint16_t port) {
  Address result;
  result.family = Family::kIpv4;
  result.port = port;
  std::copy_n(ip.begin(), 4, result.ip.begin());
  return result;
}

Address Address::FromIpv6(const std::array<uint8_t, 16>& ip, uint16_t port) {
  return FromIp(base::IpAddress::FromIpv6(ip), port);
}

Address Address::FromIp(const base::IpAddress& ip, uint16_t port) {
  Address result;
  result.family = ip.is_ipv6 ? Family::kIpv6 : Family::kIpv4;
  result.port = port;
  result.ip = ip.octets;
  return result;
}

Address Address::FromSockaddr(const sockaddr_storage& address, socklen_t bytes) {
  Address result;
  if (address.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof(in));
    std::array<uint8_t, 16> ip{};
    std::memcpy(ip.data(), &in.sin_addr, 4);
    result = FromIpv4(ip, ntohs(in.sin_port));
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, &address, sizeof(in));
    std::array<uint8_t, 16> ip{};
    std::memcpy(ip.data(), in.sin6_addr.s6_addr, ip.size());
    result = FromIpv6(ip, ntohs(in.sin6_port));
  } else if (address.ss_family == AF_UNIX && bytes > offsetof(sockaddr_un, sun_path)) {
    sockaddr_un un;
    std::memcpy(&un, &address, sizeof(un));
    const size_t path_bytes = bytes - offsetof(sockaddr_un, sun_path);
    result.path.assign(un.sun_path, strnlen(un.sun_path, path_bytes));
  }
  return result;
}

StatusOr<Address> Address::OfPeer(int fd) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &bytes) != 0)
    return ErrnoStatus(errno, "the peer's address");
  return FromSockaddr(address, bytes);
}

StatusOr<Address> Address::OfSocket(int fd) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) != 0)
    return ErrnoStatus(errno, "the socket's address");
  return FromSockaddr(address, bytes);
}

socklen_t Address::ToSockaddr(sockaddr_storage& address) const {
  address = {};
  if (family == Family::kIpv4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.data(), 4);
    std::memcpy(&address, &in, sizeof(in));
    return sizeof(in);
  }
  if (family == Family::kIpv6) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::memcpy(&in.sin6_addr, ip.data(), 16);
    std::memcpy(&address, &in, sizeof(in));
    return sizeof(in);
  }
  sockaddr_un un{};
  POP_CHECK(path.size() < sizeof(un.sun_path));
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  std::memcpy(&address, &un, sizeof(un));
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

std::string Address::HostText() const {
  if (family == Family::kUnix) return path.empty() ? "unix" : path;
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family == Family::kIpv4 ? AF_INET : AF_INET6, ip.data(), text, sizeof(text));
  return text;
}

std::string Address::Text() const {
  if (family == Family::kUnix) return path.empty() ? "unix" : "unix:" + path;
  const std::string port_text = ":" + std::to_string(port);
  return family == Family::kIpv6 ? "[" + HostText() + "]" + port_text : HostText() + port_text;
}

base::IpAddress Address::ip_address() const {
  POP_CHECK(family != Family::kUnix);
  return {.is_ipv6 = family == Family::kIpv6, .octets = ip};
}

bool Address::IsIn(std::span<const base::IpNetwork> networks) const {
  if (family == Family::kUnix) return false;
  return std::ranges::any_of(
      networks, [&](const base::IpNetwork& network) { return network.Contains(ip_address()); });
}

bool Address::is_loopback() const {
  switch (family) {
    case Family::kUnix:
      return true;
    case Family::kIpv4:
      return ip[0] == 127;
    case Family::kIpv6:
      return std::all_of(ip.begin(), ip.end() - 1, [](uint8_t b) { return b == 0; }) && ip[15] == 1;
  }
  return false;
}

}  // namespace poplar::net
