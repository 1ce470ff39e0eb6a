// `poplar serve`: the process around a Service.

#pragma once

#include <functional>
#include <string>

#include "core/app/console.h"
#include "core/app/exit_code.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Serves until SIGTERM or SIGINT, and drains. SIGHUP reads `config_path` again. Faults at the start
// are told on standard error.
ExitCode RunServer(const tenant::Config& config, const std::string& config_path);

// Runs `command` while a server without public listeners answers on the private sockets, and ends
// that server in order. Its warnings go to standard error.
ExitCode ServePrivately(const tenant::Config& config, Console& console,
                        const std::function<ExitCode()>& command);

}  // namespace poplar::app
