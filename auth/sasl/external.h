// EXTERNAL (RFC 4422 appendix A): the client's certificate says who it is. Pure; any thread.

#pragma once

#include <memory>

#include "auth/api/sasl.h"

namespace poplar::auth {

// Where the certificate names several users, the client has to say as which it comes.
std::unique_ptr<SaslMechanism> MakeExternal(const SaslConnection& connection);

}  // namespace poplar::auth
