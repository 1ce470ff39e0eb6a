// `poplar session list|kick`, through the admin socket.

#pragma once

#include <string>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct SessionListOptions {
  std::string user;  // Empty: everybody's.
  bool json = false;
};

struct SessionKickOptions {
  std::string session;  // An id of the list; or empty, and
  std::string user;     // all of this user's.
};

ExitCode SessionList(const SessionListOptions& options, const tenant::Config& config,
                     Console& console);
ExitCode SessionKick(const SessionKickOptions& options, const tenant::Config& config,
                     Console& console);

}  // namespace poplar::app
