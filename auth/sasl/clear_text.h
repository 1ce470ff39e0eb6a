// Mechanisms that send the password: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), each
// with and without initial response. Pure; any thread.

#pragma once

#include <memory>

#include "auth/api/sasl.h"

namespace poplar::auth {

std::unique_ptr<SaslMechanism> MakePlain();
std::unique_ptr<SaslMechanism> MakeLogin();

}  // namespace poplar::auth
