#include "core/proto/pop3/capabilities.h"

#include <string>

#include "core/proto/pop3/replies.h"

namespace poplar::pop3 {

namespace {

void AppendExpiry(const Expiry& expiry, bool logged_in, base::ByteBuffer& out) {
  out.Append("EXPIRE ");
  out.Append(expiry.days.has_value() ? std::to_string(*expiry.days) : "NEVER");
  if (expiry.differs_by_user && !logged_in) out.Append(" USER");
  out.Append("\r\n");
}

void AppendLoginDelay(const LoginDelay& delay, bool logged_in, base::ByteBuffer& out) {
  if (delay.seconds == 0) return;
  out.Append("LOGIN-DELAY ");
  out.Append(std::to_string(delay.seconds));
  if (delay.differs_by_user && !logged_in) out.Append(" USER");
  out.Append("\r\n");
}

void AppendMechanisms(const CapabilitySituation& situation,
                      std::span<const std::string> sasl_mechanisms, base::ByteBuffer& out) {
  std::string_view before = "SASL ";
  for (const std::string& mechanism : sasl_mechanisms) {
    if (!situation.allowed.Contains(mechanism)) continue;
    if (!Works(mechanism, situation.tls, situation.exports)) continue;
    out.Append(before);
    out.Append(mechanism);
    before = " ";
  }
  if (before == " ") out.Append("\r\n");
}

}  // namespace

bool Works(std::string_view sasl_mechanism, const TlsFacts& tls, bool exports) {
  if (sasl_mechanism.ends_with("-PLUS")) return tls.binds_channel;
  // Who uses the socket of exports was looked at by the kernel.
  return sasl_mechanism != "EXTERNAL" || exports || tls.names_the_client;
}

void AppendCapabilities(const CapabilitySituation& situation,
                        std::span<const std::string> sasl_mechanisms, base::ByteBuffer& out) {
  out.Append("TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUTF8 USER\r\nLANG\r\n");
  // RFC 2449 §5: what may be used to log in is announced after the login, too.
  if (situation.login_allowed) {
    if (situation.user) out.Append("USER\r\n");
    AppendMechanisms(situation, sasl_mechanisms, out);
  }
  // RFC 2595 §4: STLS is announced in the AUTHORIZATION state only. RFC 2449 §6.9 lets
  // IMPLEMENTATION be kept for the TRANSACTION state, which tells strangers less.
  if (!situation.logged_in && situation.stls_possible) out.Append("STLS\r\n");
  if (situation.terms.has_value()) {
    AppendExpiry(situation.terms->expiry, situation.logged_in, out);
    AppendLoginDelay(situation.terms->login_delay, situation.logged_in, out);
  }
  if (situation.exports) out.Append("XDATES\r\n");
  if (!situation.logged_in && situation.xclient) out.Append("XCLIENT\r\n");
  if (situation.logged_in) out.Append("IMPLEMENTATION Poplar\r\n");
  out.Append(reply::kEndOfList);
}

}  // namespace poplar::pop3
