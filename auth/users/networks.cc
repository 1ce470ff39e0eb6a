#include "auth/users/networks.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

namespace poplar::auth {
namespace {

using Octets = std::array<uint8_t, 16>;
constexpr uint32_t kBits = 128;
constexpr uint32_t kIpv4Bits = 32;

struct Parsed {
  Octets octets{};  // IPv4 as ::ffff:a.b.c.d.
  uint32_t bits = kBits;
};

std::optional<Parsed> ParseAddress(std::string_view text) {
  const std::string address(text);
  Parsed parsed;
  if (::inet_pton(AF_INET6, address.c_str(), parsed.octets.data()) == 1) return parsed;
  parsed.octets = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (::inet_pton(AF_INET, address.c_str(), &parsed.octets[12]) == 1) return parsed;
  return std::nullopt;
}

std::optional<Parsed> ParseNetwork(std::string_view text) {
  const size_t slash = std::min(text.find('/'), text.size());
  const std::string_view address = text.substr(0, slash);
  std::optional<Parsed> parsed = ParseAddress(address);
  if (!parsed || slash == text.size()) return parsed;
  const std::string_view digits = text.substr(slash + 1);
  const bool is_ipv4 = address.find(':') == std::string_view::npos;
  const uint32_t bits_max = is_ipv4 ? kIpv4Bits : kBits;
  uint32_t bits = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (end.ec != std::errc() || end.ptr != digits.data() + digits.size() || bits > bits_max) {
    return std::nullopt;
  }
  parsed->bits = bits + (kBits - bits_max);
  return parsed;
}

bool Contains(const Parsed& network, const Octets& address) {
  const size_t whole = network.bits / 8;
  if (!std::equal(address.begin(), address.begin() + static_cast<ptrdiff_t>(whole),
                  network.octets.begin())) {
    return false;
  }
  const uint32_t rest = network.bits % 8;
  if (rest == 0) return true;
  return ((address[whole] ^ network.octets[whole]) >> (8 - rest)) == 0;
}

std::string_view TakeFirst(std::string_view& list) {
  const size_t comma = std::min(list.find(','), list.size());
  const std::string_view first = list.substr(0, comma);
  list.remove_prefix(std::min(comma + 1, list.size()));
  return first;
}

}  // namespace

Status CheckNetworks(std::string_view networks) {
  if (networks.size() > kNetworksBytesMax) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "the networks are too many: " + std::to_string(kNetworksBytesMax) +
                          " characters are the most");
  }
  while (!networks.empty()) {
    const std::string_view network = TakeFirst(networks);
    if (ParseNetwork(network)) continue;
    return MakeStatus(StatusCode::kInvalidArgument, "\"" + std::string(network) +
                                                        "\" is no network: write 192.0.2.0/24 or "
                                                        "2001:db8::/32");
  }
  return OkStatus();
}

bool InNetworks(std::string_view networks, std::string_view address) {
  const std::optional<Parsed> client = ParseAddress(address);
  if (!client) return false;
  while (!networks.empty()) {
    const std::optional<Parsed> network = ParseNetwork(TakeFirst(networks));
    if (network && Contains(*network, client->octets)) return true;
  }
  return false;
}

}  // namespace poplar::auth
