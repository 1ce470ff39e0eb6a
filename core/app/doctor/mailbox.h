// The doctor's look at one customer: his address, his log-in, his mailbox, who else is in it.
// One thread; blocks.

#pragma once

#include "core/app/doctor/findings.h"
#include "core/app/doctor/patient.h"
#include "core/tenant/config.h"

namespace poplar::app {

// `runs`: whether a server does; without one, only what the user database says is looked at.
void LookAtMailbox(const tenant::Config& config, const Patient& patient, bool runs,
                   Findings& findings);

}  // namespace poplar::app
