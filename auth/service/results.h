// What back ends answer, folded to the door's closed sets.

#pragma once

#include "auth/api/auth.h"
#include "auth/service/backend.h"

namespace poplar::auth {

AuthResult ToAuthResult(BackendAnswer answer);
VerifierResult ToVerifierResult(BackendAnswer answer);
ResolveResult ToResolveResult(BackendAnswer answer);

// Of a password that was right, but may not be used from where this client is: told like a wrong
// one.
void RefuseFromElsewhere(const ClientInfo& client, AuthResult& result);

}  // namespace poplar::auth
