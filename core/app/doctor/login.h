// The doctor's look at a customer's log-in: what the server says of his name and password, and what
// helps where he is not let in. One thread; blocks.

#pragma once

#include "core/app/doctor/findings.h"
#include "core/app/doctor/patient.h"
#include "core/tenant/config.h"

namespace poplar::app {

// False: he is not let in. REQUIRES: a server runs.
bool LookAtLogin(const tenant::Config& config, const Patient& patient, Findings& findings);

}  // namespace poplar::app
