// The doctor's look at what the server says of itself on http.listen: is it ready, do back ends
// answer, is the store sound? One thread; blocks.

#pragma once

#include "core/app/doctor/findings.h"
#include "core/tenant/config.h"

namespace poplar::app {

void LookAtMetrics(const tenant::Config& config, Findings& findings);

}  // namespace poplar::app
