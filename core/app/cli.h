// The command line: which subcommands and options there are, their help, and which function each
// calls. One call a process.

#pragma once

#include "core/app/console.h"
#include "core/app/wiring.h"

namespace poplar::app {

// Parses and runs. A command line that is wrong is told in a sentence and ends with kUsage.
ExitCode RunCli(int argc, const char* const* argv, const Wiring& wiring, Console& console);

}  // namespace poplar::app
