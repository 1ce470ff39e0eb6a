// What of the poplar command names the concrete store and server.

#pragma once

#include <string>

#include "core/app/exit_code.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Serves until SIGTERM or SIGINT, and drains. SIGHUP reads `config_path` again. Faults at the start
// are told on standard error.
ExitCode RunServer(const tenant::Config& config, const std::string& config_path);

// Makes an empty store where the configuration says. kAlreadyExists: one is there; it was kept.
Status InitStore(const tenant::Config& config);

}  // namespace poplar::app
