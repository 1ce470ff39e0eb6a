// SCRAM-SHA-1 (RFC 5802), SCRAM-SHA-256 (RFC 7677) and their -PLUS forms, bound to the TLS channel
// by tls-exporter (RFC 9266) or tls-server-end-point (RFC 5929). Pure; any thread.
//
// libgsasl, which clients have, asks for keys by a callback in the midst of a step: here the step
// ends with the question, as the answer comes from another thread.

#pragma once

#include <memory>
#include <string>

#include "auth/api/sasl.h"
#include "auth/schemes/scram_keys.h"

namespace poplar::auth {

inline constexpr uint32_t kScramNonceBytesMax = 256;  // Of the client's.

// `server_nonce` has printable characters but commas, and nobody can guess it.
std::unique_ptr<SaslMechanism> MakeScram(ScramHash hash, bool plus,
                                         const SaslConnection& connection,
                                         const std::string& server_nonce);

}  // namespace poplar::auth
