// The command line of `poplar import` and `poplar export`. Private to cli.cc.

#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "core/app/console.h"
#include "core/app/wiring.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Adds both groups. `run_with_config` makes a leaf run a command with the configuration that
// --config names. All of them outlive the parsing and the command.
void AddTransferCommands(
    CLI::App& app, const Wiring& wiring, Console& console,
    const std::function<void(CLI::App*, std::function<ExitCode(const tenant::Config&)>)>&
        run_with_config);

}  // namespace poplar::app
