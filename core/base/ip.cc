#include "core/base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

namespace poplar::base {
namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr uint32_t kMappedBits = kMapped.size() * 8;

uint32_t BitsOf(const IpAddress& address) { return address.is_ipv6 ? 128 : 32; }

// The address with 0 in all bits behind the first `bits`.
IpAddress Masked(IpAddress address, uint32_t bits) {
  for (uint8_t& octet : address.octets) {
    const uint32_t kept = std::min(bits, 8U);
    octet = static_cast<uint8_t>(octet & (0xff00U >> kept));
    bits -= kept;
  }
  return address;
}

Status Malformed(std::string_view text, std::string_view instead) {
  return MakeStatus(StatusCode::kInvalidArgument,
                    "\"" + std::string(text) + "\" is no network; write " + std::string(instead));
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  IpAddress address;
  address.is_ipv6 = text.find(':') != std::string_view::npos;
  // A NUL would end what inet_pton sees.
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  const int family = address.is_ipv6 ? AF_INET6 : AF_INET;
  if (inet_pton(family, std::string(text).c_str(), address.octets.data()) != 1) return std::nullopt;
  return address.is_ipv6 ? FromIpv6(address.octets) : address;
}

IpAddress IpAddress::FromIpv6(const std::array<uint8_t, 16>& octets) {
  if (!std::equal(kMapped.begin(), kMapped.end(), octets.begin())) return {true, octets};
  IpAddress address;
  std::copy_n(octets.begin() + kMapped.size(), 4, address.octets.begin());
  return address;
}

std::string IpAddress::Text() const {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, octets.data(), text, sizeof(text));
  return text;
}

StatusOr<IpNetwork> IpNetwork::Parse(std::string_view text) {
  constexpr std::string_view kExamples =
      "one like \"10.0.0.0/8\", \"2001:db8::/32\" or \"192.0.2.7\"";
  const size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const std::optional<IpAddress> address = IpAddress::Parse(host);
  if (!address) return Malformed(text, kExamples);
  uint32_t bits = BitsOf(*address);
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size())
      return Malformed(text, kExamples);
    const bool is_mapped = !address->is_ipv6 && host.find(':') != std::string_view::npos;
    if (is_mapped && bits < kMappedBits) return Malformed(text, "it as an IPv4 network");
    if (is_mapped) bits -= kMappedBits;
    if (bits > BitsOf(*address)) return Malformed(text, kExamples);
  }
  const IpNetwork network(Masked(*address, bits), bits);
  if (network.first_ == *address) return network;
  return Malformed(text, "\"" + network.Text() + "\", or \"" + address->Text() + "\" alone");
}

bool IpNetwork::Contains(const IpAddress& address) const {
  return address.is_ipv6 == first_.is_ipv6 && Masked(address, prefix_bits_) == first_;
}

std::string IpNetwork::Text() const {
  const std::string text = first_.Text();
  return prefix_bits_ == BitsOf(first_) ? text : text + "/" + std::to_string(prefix_bits_);
}

}  // namespace poplar::base
