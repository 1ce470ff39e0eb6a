// Which calls to the kernel a process may still make, by a seccomp filter: what its list does not
// name is answered as by a kernel that does not know it (ENOSYS). The lists are in
// seccomp_lists.h.
//
// io_uring does its operations without calls, past any filter; hence a ring of ours takes only
// those that the reactor has (io/ring.cc), and no further ring can be made once the server serves.

#pragma once

#include <cstdint>

#include "core/base/status.h"

namespace poplar::sandbox {

enum class Calls : uint8_t {
  kServer,    // Of a server that has its threads, rings and listening sockets.
  kAuthHost,  // Of a plug-in's process, before it loads the plug-in.
  kLauncher,  // Of the process that starts those; they begin with it.
};

// kUnavailable: this kernel has no filters, or a container forbids them. For all threads of the
// process, those that run included. REQUIRES: no_new_privs.
Status RestrictCalls(Calls calls);

}  // namespace poplar::sandbox
