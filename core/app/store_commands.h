// The commands that need the concrete store: what `main` hands to the command line.

#pragma once

#include "core/app/console.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Makes an empty store where the configuration says. kAlreadyExists: one is there; it was kept.
Status InitStore(const tenant::Config& config);

// `poplar store verify`: each damage is a line on standard error, the sum goes to standard output.
// kIoError where anything is damaged.
ExitCode VerifyStore(const tenant::Config& config, bool json, Console& console);

}  // namespace poplar::app
