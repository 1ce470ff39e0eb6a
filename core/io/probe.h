// The start-up probe: does this kernel, with these limits, carry Poplar? What is missing is told in
// a sentence with its mend: kernel version (6.1 is the floor), kernel.io_uring_disabled, a
// container's seccomp profile, RLIMIT_MEMLOCK, RLIMIT_NOFILE.

#pragma once

#include <cstdint>

#include "core/base/status.h"

namespace poplar::io {

struct ProbeOptions {
  uint32_t descriptors_wanted = 1024;
};

// Raises RLIMIT_NOFILE to its hard limit, makes a ring, and tries what the reactor needs. Any
// thread; before ShardSet::Start.
Status ProbeKernel(const ProbeOptions& options);

// Turns the -errno of io_uring_setup(2) into the sentence that ProbeKernel would give.
Status ExplainRingFailure(int error_number);

}  // namespace poplar::io
