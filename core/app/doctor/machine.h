// The doctor's look at the machine: kernel, descriptors, disk. One thread; blocks.

#pragma once

#include <cstdint>
#include <optional>

#include "core/app/doctor/findings.h"
#include "core/tenant/config.h"

namespace poplar::app {

void LookAtKernel(const tenant::Config& config, Findings& findings);
// `of_server`: what one that runs may have; nothing: none answers, and it is this process's limit.
void LookAtDescriptors(const tenant::Config& config, std::optional<uint64_t> of_server,
                       Findings& findings);
// Of the store, which leaves `reserve_bytes` to deletions, and of the user database where that is
// on another.
void LookAtDisk(const tenant::Config& config, uint64_t reserve_bytes, Findings& findings);

}  // namespace poplar::app
