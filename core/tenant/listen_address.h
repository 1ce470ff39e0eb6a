// Where a listener listens: an IPv4 or IPv6 address and a port, as the configuration writes it:
// "127.0.0.1:1110", "[::1]:1110". Names are not looked up: a listener must come up without DNS.
//
// Plain values. Any thread.

#pragma once

#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace poplar::tenant {

struct ListenAddress {
  std::string host;   // As inet_ntop writes it, without brackets.
  uint16_t port = 0;  // 0: the kernel chooses one.

  // kInvalidArgument says what to write instead.
  static StatusOr<ListenAddress> Parse(std::string_view text);

  bool is_ipv6() const { return host.find(':') != std::string::npos; }
  // What Parse reads.
  std::string ToString() const;
  // Fills `address` and gives its length, for bind and connect.
  socklen_t ToSockaddr(sockaddr_storage& address) const;

  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

}  // namespace poplar::tenant
