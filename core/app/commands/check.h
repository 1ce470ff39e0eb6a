// `poplar check`.

#pragma once

#include <string>

#include "core/app/console.h"

namespace poplar::app {

struct CheckOptions {
  std::string config_path;
};

// Says every fault of the configuration and of the files that it names, each with file, line and
// what to write instead.
ExitCode Check(const CheckOptions& options, Console& console);

}  // namespace poplar::app
