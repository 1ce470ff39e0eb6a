// PROXY headers against arbitrary bytes. A header must lie within what was given, say the same when
// more follows, and wait for more wherever it is cut.

#include "core/net/proxy_header.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"

using poplar::net::ParseProxyHeader;
using poplar::net::ProxyHeader;
using poplar::net::ProxyParse;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  ProxyHeader header;
  const ProxyParse parsed = ParseProxyHeader(text, header);
  if (parsed != ProxyParse::kDone) return 0;
  POP_CHECK(header.bytes > 0 && header.bytes <= size);
  POP_CHECK(header.bytes <= poplar::net::kProxyHeaderBytesMax);
  POP_CHECK(header.server_name.find('\n') == std::string::npos);
  ProxyHeader again;
  POP_CHECK(ParseProxyHeader(std::string(text) + "x", again) == ProxyParse::kDone);
  POP_CHECK(again.bytes == header.bytes && again.client == header.client);
  for (const size_t cut : {size_t{0}, header.bytes / 2, header.bytes - 1}) {
    POP_CHECK(ParseProxyHeader(text.substr(0, cut), again) == ProxyParse::kMore);
  }
  return 0;
}
