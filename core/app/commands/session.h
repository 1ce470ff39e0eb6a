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
  // One of them: an id of the list, all of this user's, or all of this tenant's.
  std::string session;
  std::string user;
  std::string tenant;
};

ExitCode SessionList(const SessionListOptions& options, const tenant::Config& config,
                     Console& console);
ExitCode SessionKick(const SessionKickOptions& options, const tenant::Config& config,
                     Console& console);

// Ends all sessions of a tenant that has changed, and says how many; that there are none, or no
// server runs, is as good.
ExitCode EndTenantSessions(const std::string& tenant, const tenant::Config& config,
                           Console& console);

}  // namespace poplar::app
