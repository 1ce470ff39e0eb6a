// APOP (RFC 1939 §7), as if it were a mechanism: its one step takes "name digest". Pure; any
// thread.

#pragma once

#include <memory>

#include "auth/api/sasl.h"

namespace poplar::auth {

std::unique_ptr<SaslMechanism> MakeApop(const SaslConnection& connection);

}  // namespace poplar::auth
