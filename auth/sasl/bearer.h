// Mechanisms that carry a bearer token: OAUTHBEARER (RFC 7628) and XOAUTH2, which mail programs
// spoke before it. Whether the token is good is others' to say. Pure; any thread.

#pragma once

#include <memory>

#include "auth/api/sasl.h"

namespace poplar::auth {

std::unique_ptr<SaslMechanism> MakeOauthBearer();
std::unique_ptr<SaslMechanism> MakeXoauth2();

}  // namespace poplar::auth
