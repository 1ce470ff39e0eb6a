// The process that runs one plug-in: `poplar auth-host`. It loads what it is told to on its control
// socket, keeps instances, and answers the questions of all shards with a fixed number of threads.
//
// Ends when the server ends (the control socket says so, and the kernel does if it cannot), and
// with a plug-in that ends it.

#pragma once

#include <vector>

#include "core/base/fd.h"

namespace poplar::auth {

struct AuthHostSockets {
  base::UniqueFd control;
  std::vector<base::UniqueFd> shards;
};

// Descriptors of the started process: the control socket, then one a shard.
inline constexpr int kAuthHostControlFd = 3;

// Blocks until the end; the process's exit code. Makes this process one that leaves no core, gains
// no privileges and ends with its parent.
int RunAuthHost(AuthHostSockets sockets);

}  // namespace poplar::auth
