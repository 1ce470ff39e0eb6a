// What most commands begin with: the configuration, or its faults and the end.

#pragma once

#include <string>
#include <utility>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Runs `command` with the configuration of `path`. A file with faults is told on standard error, a
// line each, and ends with kConfig.
template <class Command>
ExitCode WithConfig(const std::string& path, Console& console, const Command& command) {
  const tenant::ParsedConfig parsed = tenant::ReadConfig(path);
  if (parsed.faults.empty()) return command(parsed.config);
  for (const tenant::ConfigFault& fault : parsed.faults) console.err << fault.ToString() << '\n';
  return ExitCode::kConfig;
}

}  // namespace poplar::app
