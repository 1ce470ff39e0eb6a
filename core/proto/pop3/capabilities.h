// What CAPA lists (RFC 2449 §5 and §6), per state and transport.

#pragma once

#include <span>
#include <string>

#include "core/base/byte_buffer.h"

namespace poplar::pop3 {

struct CapabilitySituation {
  bool logged_in = false;
  bool login_allowed = false;  // Not refused for want of TLS.
  bool stls_possible = false;  // Offered, and TLS is not active.
  bool exports = false;        // XDATES works.
};

// Appends the whole reply to CAPA.
void AppendCapabilities(const CapabilitySituation& situation,
                        std::span<const std::string> sasl_mechanisms, base::ByteBuffer& out);

}  // namespace poplar::pop3
