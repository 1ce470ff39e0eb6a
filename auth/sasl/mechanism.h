// The mechanisms that Poplar knows: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), each
// with and without initial response. Pure; any thread.

#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "auth/api/auth.h"
#include "auth/api/sasl.h"

namespace poplar::auth {

// Null: not known. Names are found in any case (RFC 4422 §3.1 has them in upper case, clients not).
std::unique_ptr<SaslMechanism> MakeSaslMechanism(std::string_view name);

// Those that work where `capabilities` hold, the preferred one first; for CAPA and `AUTH` alone.
std::vector<std::string_view> SaslMechanismNames(const Capabilities& capabilities);

}  // namespace poplar::auth
