// `poplar user app-password add|list|remove`: the built-in database, with or without a running
// server, which notices changes by itself.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct AppPasswordAddOptions {
  std::string address;
  std::string label;
  std::vector<std::string> networks;    // From where it may be used; none: from anywhere.
  std::optional<uint32_t> expires_day;  // Since 1970; the last one on which it works.
  bool json = false;
};

struct AppPasswordListOptions {
  std::string address;
  bool json = false;
};

struct AppPasswordRemoveOptions {
  std::string address;
  std::string label;
  bool end_sessions = false;
};

// Shows the new password; it cannot be shown again.
ExitCode AppPasswordAdd(const AppPasswordAddOptions& options, const tenant::Config& config,
                        Console& console);
ExitCode AppPasswordList(const AppPasswordListOptions& options, const tenant::Config& config,
                         Console& console);
ExitCode AppPasswordRemove(const AppPasswordRemoveOptions& options, const tenant::Config& config,
                           Console& console);

}  // namespace poplar::app
