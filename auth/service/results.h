// What back ends answer, folded to the door's closed sets.

#pragma once

#include "auth/api/auth.h"
#include "auth/service/backend.h"

namespace poplar::auth {

AuthResult ToAuthResult(BackendAnswer answer);
VerifierResult ToVerifierResult(BackendAnswer answer);
ResolveResult ToResolveResult(BackendAnswer answer);

}  // namespace poplar::auth
