// `poplar check`.

#pragma once

#include <string>
#include <vector>

#include "core/app/console.h"
#include "core/app/wiring.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct CheckOptions {
  std::string config_path;
};

// What there is to say of a configuration and of the files that it names. Plug-ins are started for
// it, as the server would.
struct Checked {
  tenant::ParsedConfig parsed;  // With every fault.
  bool can_be_used = false;     // The file itself is right, whatever it names.
  std::vector<tenant::ConfigFault> warnings;
};
Checked CheckConfiguration(const std::string& path, const Wiring& wiring);

// Says it, each fault with file, line and what to write instead.
ExitCode Check(const CheckOptions& options, const Wiring& wiring, Console& console);

}  // namespace poplar::app
