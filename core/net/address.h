// Where a socket is: an IPv4 or IPv6 address with its port, or the path of a Unix socket. A plain
// value. An IPv4 address mapped into IPv6 is kept as IPv4, so that one client has one address.

#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/ip.h"
#include "core/base/status.h"

namespace poplar::net {

struct Address {
  enum class Family : uint8_t { kUnix, kIpv4, kIpv6 };

  Family family = Family::kUnix;
  uint16_t port = 0;
  std::array<uint8_t, 16> ip{};  // Network order; an IPv4 address in the first four.
  std::string path;              // Of a Unix socket; empty for a client's end.

  // "192.0.2.1:110", "[2001:db8::1]:110", "/run/poplar/lmtp" or "unix:/run/poplar/lmtp". No names
  // are looked up. kInvalidArgument says what is wrong.
  static StatusOr<Address> Parse(std::string_view text);
  // Unknown families become an unnamed Unix address.
  static Address FromSockaddr(const sockaddr_storage& address, socklen_t bytes);
  // Of the first four octets, in network order, and of all; one mapped into IPv6 is IPv4.
  static Address FromIpv4(const std::array<uint8_t, 16>& ip, uint16_t port);
  static Address FromIpv6(const std::array<uint8_t, 16>& ip, uint16_t port);
  static Address FromIp(const base::IpAddress& ip, uint16_t port);
  // getpeername(2). A peer that is gone already gives an error.
  static StatusOr<Address> OfPeer(int fd);
  // getsockname(2).
  static StatusOr<Address> OfSocket(int fd);

  // Fills `address` and returns its length. REQUIRES: the path fits (Parse saw to it).
  socklen_t ToSockaddr(sockaddr_storage& address) const;

  // As Parse takes it; "unix" for an unnamed Unix socket.
  std::string Text() const;
  // The address without its port.
  std::string HostText() const;
  // REQUIRES: it is no Unix socket.
  base::IpAddress ip_address() const;
  // On this machine: 127.0.0.0/8, ::1, or a Unix socket.
  bool is_loopback() const;
  // In one of them; a Unix socket is in none.
  bool IsIn(std::span<const base::IpNetwork> networks) const;

  friend bool operator==(const Address&, const Address&) = default;
};

}  // namespace poplar::net
