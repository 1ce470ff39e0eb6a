// What CAPA lists (RFC 2449 §5 and §6), per state and transport.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/byte_buffer.h"
#include "core/base/login_mechanisms.h"

namespace poplar::pop3 {

// How long mail may stay on the server (RFC 2449 §6.7).
struct Expiry {
  // The least number of days; 0: what was fetched goes with the session. None: it never goes.
  std::optional<uint32_t> days;
  bool differs_by_user = false;  // Others may have more; told only before the login.
};

// The least time between two log-ins (RFC 2449 §6.5).
struct LoginDelay {
  uint32_t seconds = 0;          // 0: none, and nothing is said.
  bool differs_by_user = false;  // Others may have less; told only before the login.
};

// What the provider's rules say to clients.
struct Terms {
  Expiry expiry;
  LoginDelay login_delay;
};

// What is known of a TLS session once its handshake is done.
struct TlsFacts {
  bool binds_channel = false;     // "…-PLUS" works.
  bool names_the_client = false;  // By a certificate that was found good: EXTERNAL works.
};

struct CapabilitySituation {
  bool logged_in = false;
  bool login_allowed = false;  // Not refused for want of TLS.
  bool user = true;            // USER and PASS work.
  bool stls_possible = false;  // Offered, and TLS is not active.
  bool exports = false;        // XDATES works, and EXTERNAL for everybody.
  bool xclient = false;        // For whoever may speak for others.
  TlsFacts tls = {};
  LoginMechanisms allowed = {};               // By the tenant, as far as it is known.
  std::optional<Terms> terms = std::nullopt;  // None: not announced.
};

// Of a mechanism that the listener has: can this client use it?
bool Works(std::string_view sasl_mechanism, const TlsFacts& tls, bool exports);

// Appends what follows the first line of the reply to CAPA; of the mechanisms those that are
// offered.
void AppendCapabilities(const CapabilitySituation& situation,
                        std::span<const std::string> sasl_mechanisms, base::ByteBuffer& out);

}  // namespace poplar::pop3
