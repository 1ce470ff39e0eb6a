// IP addresses without a port, and networks of them, as configurations and protocols write them.
// Plain values; any thread.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace poplar::base {

struct IpAddress {
  bool is_ipv6 = false;
  std::array<uint8_t, 16> octets{};  // Network order; an IPv4 address in the first four.

  // "192.0.2.1" or "2001:db8::1", nothing around it. An IPv4 address mapped into IPv6
  // ("::ffff:192.0.2.1") is IPv4, so that one host has one address.
  static std::optional<IpAddress> Parse(std::string_view text);
  // Of all sixteen octets; one mapped into IPv6 is IPv4.
  static IpAddress FromIpv6(const std::array<uint8_t, 16>& octets);

  // What Parse reads.
  std::string Text() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// All addresses of one family that begin with the same bits.
class IpNetwork {
 public:
  // "10.0.0.0/8", "2001:db8::/32", or one address. kInvalidArgument says what to write instead: one
  // whose bits behind the prefix are not 0 is refused too, since it may be a slip.
  static StatusOr<IpNetwork> Parse(std::string_view text);

  // An IPv4 address is in no network of IPv6, not in "::/0" either.
  bool Contains(const IpAddress& address) const;

  // What Parse reads; without a prefix that is the whole address.
  std::string Text() const;

  friend bool operator==(const IpNetwork&, const IpNetwork&) = default;

 private:
  IpNetwork(const IpAddress& first, uint32_t prefix_bits)
      : first_(first), prefix_bits_(prefix_bits) {}

  IpAddress first_;
  uint32_t prefix_bits_;
};

}  // namespace poplar::base
