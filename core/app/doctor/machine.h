// The doctor's look at the machine: kernel, descriptors, disk. One thread; blocks.

#pragma once

#include "core/app/doctor/findings.h"
#include "core/tenant/config.h"

namespace poplar::app {

void LookAtKernel(const tenant::Config& config, Findings& findings);
void LookAtDisk(const tenant::Config& config, Findings& findings);

}  // namespace poplar::app
