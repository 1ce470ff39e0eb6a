// The command line of `poplar import` and `poplar export`. Private to cli.cc.

#pragma once

#include <CLI/CLI.hpp>

#include "core/app/cli_parts.h"
#include "core/app/console.h"
#include "core/app/wiring.h"

namespace poplar::app {

// Adds both groups. All of these outlive the parsing and the command.
void AddTransferCommands(CLI::App& app, const Wiring& wiring, Console& console,
                         const RunWithConfigFunction& run_with_config);

}  // namespace poplar::app
