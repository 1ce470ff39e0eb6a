#include "core/tenant/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstring>

#include "core/base/check.h"

namespace poplar::tenant {
namespace {

Status Malformed(std::string_view text) {
  return MakeStatus(StatusCode::kInvalidArgument,
                    "\"" + std::string(text) +
                        "\" is not an address and a port; write one like \"127.0.0.1:1110\" or "
                        "\"[::1]:1110\"");
}

// The same address always gets the same spelling, so that two listeners on it are noticed.
bool Canonical(int family, const std::string& host, std::string& out) {
  std::array<unsigned char, sizeof(in6_addr)> binary{};
  if (inet_pton(family, host.c_str(), binary.data()) != 1) return false;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (inet_ntop(family, binary.data(), text.data(), text.size()) == nullptr) return false;
  out = text.data();
  return true;
}

}  // namespace

StatusOr<ListenAddress> ListenAddress::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.find('\0') != std::string_view::npos)
    return Malformed(text);
  const std::string_view digits = text.substr(colon + 1);
  std::string_view host = text.substr(0, colon);

  ListenAddress address;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (error != std::errc() || end != digits.data() + digits.size()) return Malformed(text);

  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const int family = bracketed ? AF_INET6 : AF_INET;
  if (!Canonical(family, std::string(host), address.host)) return Malformed(text);
  return address;
}

std::string ListenAddress::ToString() const {
  const std::string port_text = ":" + std::to_string(port);
  return is_ipv6() ? "[" + host + "]" + port_text : host + port_text;
}

socklen_t ListenAddress::ToSockaddr(sockaddr_storage& address) const {
  std::memset(&address, 0, sizeof address);
  if (is_ipv6()) {
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    POP_CHECK(inet_pton(AF_INET6, host.c_str(), &ipv6.sin6_addr) == 1);
    std::memcpy(&address, &ipv6, sizeof ipv6);
    return sizeof ipv6;
  }
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(port);
  POP_CHECK(inet_pton(AF_INET, host.c_str(), &ipv4.sin_addr) == 1);
  std::memcpy(&address, &ipv4, sizeof ipv4);
  return sizeof ipv4;
}

}  // namespace poplar::tenant
