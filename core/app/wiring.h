// What the command line needs of the parts that only `main` knows: one struct, filled there.

#pragma once

#include <functional>
#include <string>

#include "core/app/console.h"
#include "core/app/exit_code.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct Wiring {
  // Makes an empty store where the configuration says. kAlreadyExists: one is there; it was kept.
  std::function<Status(const tenant::Config& config)> init_store;
  // `poplar store verify`. With `json` the result is JSON.
  std::function<ExitCode(const tenant::Config& config, bool json, Console& console)> verify_store;
  // `poplar serve`.
  std::function<ExitCode(const tenant::Config& config, const std::string& config_path)> serve;
  // Runs `command` while a server without public listeners answers on the private sockets of this
  // configuration, in this process. Fails where another one has the store.
  std::function<ExitCode(const tenant::Config& config, Console& console,
                         const std::function<ExitCode()>& command)>
      serve_privately;
};

}  // namespace poplar::app
