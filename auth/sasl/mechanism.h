// The mechanisms that Poplar knows, by name. Pure; any thread.

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/api/auth.h"
#include "auth/api/sasl.h"
#include "core/base/login_mechanisms.h"

namespace poplar::auth {

// Null: not known. Names are found in any case (RFC 4422 §3.1 has them in upper case, clients not).
// `server_nonce` as MakeScram wants it; others do without.
std::unique_ptr<SaslMechanism> MakeSaslMechanism(std::string_view name,
                                                 const SaslConnection& connection = {},
                                                 const std::string& server_nonce = {});

// The ways to log in that work where `capabilities` hold.
LoginMechanisms MechanismsThatWork(const Capabilities& capabilities);

}  // namespace poplar::auth
