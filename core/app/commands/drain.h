// `poplar drain`, through the admin socket.

#pragma once

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct DrainOptions {
  bool json = false;
};

// Ends the running server as SIGTERM does, and returns when its process has ended.
ExitCode Drain(const DrainOptions& options, const tenant::Config& config, Console& console);

}  // namespace poplar::app
