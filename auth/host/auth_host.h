// The process that runs one plug-in: `poplar auth-host`. It loads the one that its command line
// names, keeps instances, and answers the questions of all shards with a fixed number of threads.
//
// Ends when the server ends (the control socket says so, and the kernel does if whoever started it
// ends), and with a plug-in that ends it.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::auth {

struct AuthHostSockets {
  base::UniqueFd control;
  std::vector<base::UniqueFd> shards;
};

// The exit code of one that ended because it is outdated. Its questions are answered by then, and
// further ones were not taken.
inline constexpr int kAuthHostOutdated = 75;

// Descriptors of the started process: the control socket, then one a shard.
inline constexpr int kAuthHostControlFd = 3;

struct AuthHostOptions {
  std::string plugin;  // The shared object.
  // Gives away what the process will not need, before anything of the plug-in runs. What it says is
  // told instead of loading the plug-in.
  std::function<Status()> confine = [] { return OkStatus(); };
  // Asked now and then: something that the process may read was replaced by what it may not. It
  // ends then, with kAuthHostOutdated, and is started anew.
  std::function<bool()> outdated = [] { return false; };
};

// Blocks until the end; the process's exit code. Makes this process one that leaves no core, gains
// no privileges and ends with its parent.
int RunAuthHost(AuthHostSockets sockets, AuthHostOptions options);

}  // namespace poplar::auth
