#include "core/net/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <vector>

namespace poplar::net {
namespace {

constexpr std::string_view kV1 = "PROXY ";
constexpr size_t kV1BytesMax = 107;
constexpr std::string_view kV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kV2HeadBytes = 16;

constexpr uint8_t kTlvAuthority = 0x02;
constexpr uint8_t kTlvSsl = 0x20;
constexpr uint8_t kTlvSslVersion = 0x21;
constexpr uint8_t kTlvSslCommonName = 0x22;
constexpr size_t kSslHeadBytes = 5;
constexpr uint8_t kClientSsl = 0x01;
constexpr uint8_t kClientCertificate = 0x02 | 0x04;  // In this connection, or this session.

uint8_t ByteAt(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }
uint16_t NumberAt(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(ByteAt(bytes, at) << 8 | ByteAt(bytes, at + 1));
}

// Names come from outside: what is no printable ASCII is not taken.
std::string Printable(std::string_view text) {
  const bool fits = std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
  return fits ? std::string(text) : std::string();
}

// --- Version 1

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  size_t at = 0;
  for (size_t space = 0; space != std::string_view::npos; at = space + 1) {
    space = line.find(' ', at);
    words.push_back(line.substr(at, space == std::string_view::npos ? space : space - at));
  }
  return words;
}

std::optional<uint16_t> Port(std::string_view text) {
  uint16_t port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!whole || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return port;
}

std::optional<Address> Host(std::string_view text, bool is_ipv6, uint16_t port) {
  std::array<uint8_t, 16> ip{};
  if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, std::string(text).c_str(), ip.data()) != 1) {
    return std::nullopt;
  }
  return is_ipv6 ? Address::FromIpv6(ip, port) : Address::FromIpv4(ip, port);
}

ProxyParse ParseV1(std::string_view bytes, ProxyHeader& header) {
  const size_t end = bytes.substr(0, kV1BytesMax).find("\r\n");
  if (end == std::string_view::npos) {
    return bytes.size() < kV1BytesMax ? ProxyParse::kMore : ProxyParse::kWrong;
  }
  const std::vector<std::string_view> words = Words(bytes.substr(0, end));
  header.bytes = end + 2;
  if (words.size() >= 2 && words[1] == "UNKNOWN") return ProxyParse::kDone;
  const bool is_ipv6 = words.size() >= 2 && words[1] == "TCP6";
  if (words.size() != 6 || (!is_ipv6 && words[1] != "TCP4")) return ProxyParse::kWrong;
  const std::optional<uint16_t> port = Port(words[4]);
  if (!port || !Port(words[5]) || !Host(words[3], is_ipv6, 0)) return ProxyParse::kWrong;
  header.client = Host(words[2], is_ipv6, *port);
  return header.client ? ProxyParse::kDone : ProxyParse::kWrong;
}

// --- Version 2

// Calls `each` with type and value of all; false: one is cut off.
template <class Each>
bool ForEachTlv(std::string_view bytes, const Each& each) {
  while (!bytes.empty()) {
    if (bytes.size() < 3 || bytes.size() - 3 < NumberAt(bytes, 1)) return false;
    const size_t length = NumberAt(bytes, 1);
    each(ByteAt(bytes, 0), bytes.substr(3, length));
    bytes.remove_prefix(3 + length);
  }
  return true;
}

bool ReadSsl(std::string_view value, ProxyHeader& header) {
  if (value.size() < kSslHeadBytes) return false;
  const uint8_t client = ByteAt(value, 0);
  // 0: the certificate was shown, and it is one that the proxy trusts.
  const bool verified = value.substr(1, 4) == std::string_view("\0\0\0\0", 4);
  if ((client & kClientSsl) == 0) return true;
  ProxiedTls& tls = header.tls.emplace();
  return ForEachTlv(value.substr(kSslHeadBytes), [&](uint8_t type, std::string_view text) {
    if (type == kTlvSslVersion) tls.version = Printable(text);
    if (type == kTlvSslCommonName && verified && (client & kClientCertificate) != 0) {
      tls.common_name = text.find('\0') == std::string_view::npos ? text : std::string_view();
    }
  });
}

std::optional<size_t> ReadAddresses(uint8_t family, std::string_view body, ProxyHeader& header) {
  std::array<uint8_t, 16> ip{};
  switch (family >> 4) {
    case 1:  // AF_INET
      if (body.size() < 12) return std::nullopt;
      std::memcpy(ip.data(), body.data(), 4);
      header.client = Address::FromIpv4(ip, NumberAt(body, 8));
      return 12;
    case 2:  // AF_INET6
      if (body.size() < 36) return std::nullopt;
      std::memcpy(ip.data(), body.data(), 16);
      header.client = Address::FromIpv6(ip, NumberAt(body, 32));
      return 36;
    case 3:  // AF_UNIX
      if (body.size() < 216) return std::nullopt;
      header.client = Address();
      return 216;
    default:  // Not told; what follows is passed over (section 2.2).
      return body.size();
  }
}

ProxyParse ParseV2(std::string_view bytes, ProxyHeader& header) {
  if (bytes.size() < kV2HeadBytes) return ProxyParse::kMore;
  const uint8_t version_command = ByteAt(bytes, 12);
  const uint8_t family = ByteAt(bytes, 13);
  const size_t body_bytes = NumberAt(bytes, 14);
  const bool is_local = version_command == 0x20;
  if (!is_local && version_command != 0x21) return ProxyParse::kWrong;
  if (kV2HeadBytes + body_bytes > kProxyHeaderBytesMax) return ProxyParse::kWrong;
  if (bytes.size() - kV2HeadBytes < body_bytes) return ProxyParse::kMore;
  header.bytes = kV2HeadBytes + body_bytes;
  if (is_local) return ProxyParse::kDone;
  // Datagrams carry no POP3.
  if ((family & 0x0f) > 1) return ProxyParse::kWrong;
  const std::string_view body = bytes.substr(kV2HeadBytes, body_bytes);
  const std::optional<size_t> addresses = ReadAddresses(family, body, header);
  if (!addresses) return ProxyParse::kWrong;
  bool sound = true;
  const bool whole = ForEachTlv(body.substr(*addresses), [&](uint8_t type, std::string_view value) {
    if (type == kTlvAuthority) header.server_name = Printable(value);
    if (type == kTlvSsl) sound = ReadSsl(value, header) && sound;
  });
  return whole && sound ? ProxyParse::kDone : ProxyParse::kWrong;
}

bool BeginsAs(std::string_view bytes, std::string_view start) {
  const size_t common = std::min(bytes.size(), start.size());
  return bytes.substr(0, common) == start.substr(0, common);
}

}  // namespace

ProxyParse ParseProxyHeader(std::string_view bytes, ProxyHeader& header) {
  header = {};
  if (BeginsAs(bytes, kV2)) {
    return bytes.size() < kV2.size() ? ProxyParse::kMore : ParseV2(bytes, header);
  }
  if (BeginsAs(bytes, kV1)) {
    return bytes.size() < kV1.size() ? ProxyParse::kMore : ParseV1(bytes, header);
  }
  return ProxyParse::kWrong;
}

}  // namespace poplar::net
