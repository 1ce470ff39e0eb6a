// `poplar check`.

#pragma once

#include <string>

#include "core/app/console.h"
#include "core/app/wiring.h"

namespace poplar::app {

struct CheckOptions {
  std::string config_path;
};

// Says every fault of the configuration and of the files that it names, each with file, line and
// what to write instead. Plug-ins are started for it, as the server would.
ExitCode Check(const CheckOptions& options, const Wiring& wiring, Console& console);

}  // namespace poplar::app
