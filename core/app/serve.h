// `poplar serve`: the process around a Service.

#pragma once

#include <string>

#include "core/app/exit_code.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Serves until SIGTERM or SIGINT, and drains. SIGHUP reads `config_path` again. Faults at the start
// are told on standard error.
ExitCode RunServer(const tenant::Config& config, const std::string& config_path);

}  // namespace poplar::app
