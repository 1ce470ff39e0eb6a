// `poplar user add|list|passwd|disable|enable|remove`: the built-in database, with or without a
// running server, which notices changes by itself.

#pragma once

#include <string>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Where a new password comes from: the terminal, asked twice, unless told otherwise.
enum class PasswordSource : uint8_t { kTerminal, kStdin, kNone };

struct UserPasswordOptions {
  std::string address;
  PasswordSource password = PasswordSource::kTerminal;
};

struct UserListOptions {
  std::string tenant;  // Empty: all.
  bool json = false;
};

ExitCode UserAdd(const UserPasswordOptions& options, const tenant::Config& config,
                 Console& console);
ExitCode UserPasswd(const UserPasswordOptions& options, const tenant::Config& config,
                    Console& console);
ExitCode UserList(const UserListOptions& options, const tenant::Config& config, Console& console);
ExitCode UserSetEnabled(const std::string& address, bool enabled, const tenant::Config& config,
                        Console& console);
ExitCode UserRemove(const std::string& address, const tenant::Config& config, Console& console);

}  // namespace poplar::app
