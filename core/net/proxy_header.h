// What a proxy in front of us says of the client, as the first octets of a connection: the PROXY
// protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt). Pure; any thread. Who may say it is
// the caller's business.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/net/address.h"

namespace poplar::net {

// A header of version 1 has 107 octets at most (section 2.1). What one of version 2 may hold beyond
// addresses is bounded here: certificates' names and the like.
inline constexpr size_t kProxyHeaderBytesMax = 4096;

// The client's TLS, which the proxy has ended (PP2_TYPE_SSL).
struct ProxiedTls {
  std::string version;      // "TLSv1.3"; may be empty.
  std::string common_name;  // Of a client certificate that the proxy has verified; else empty.
};

struct ProxyHeader {
  size_t bytes = 0;  // Of the header itself.
  // Where the client is. None: the connection is the proxy's own (LOCAL, UNKNOWN), such as a check
  // whether we live.
  std::optional<Address> client;
  std::optional<ProxiedTls> tls;  // None: the client came in clear, or it is not told.
  std::string server_name;        // That the client asked for (PP2_TYPE_AUTHORITY); may be empty.
};

enum class ProxyParse : uint8_t {
  kDone,
  kMore,   // A header begins so; the rest has not come yet.
  kWrong,  // No header, or one that breaks its rules.
};

// Reads the header at the front of `bytes`. With kDone `header` is filled.
ProxyParse ParseProxyHeader(std::string_view bytes, ProxyHeader& header);

}  // namespace poplar::net
