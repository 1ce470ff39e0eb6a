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

// Raises RLIMIT_NOFILE to its hard limit and RLIMIT_MEMLOCK as far as it may, makes a reactor, and
// really does with it what the server will do: multishot accept, multishot receive into a buffer
// ring, send. Any thread; before ShardSet::Start. kFailedPrecondition with the sentence, or
// kUnavailable for what a restart may mend.
Status ProbeKernel(const ProbeOptions& options);

// Turns the -errno (or errno) of io_uring_setup(2) or io_uring_register(2) into the sentence that
// ProbeKernel would give.
Status ExplainRingFailure(int error_number);

}  // namespace poplar::io
