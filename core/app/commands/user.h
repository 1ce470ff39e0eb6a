// `poplar user add|list|show|set|passwd|disable|enable|remove`: the built-in database, with or
// without a running server, which notices changes by itself.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Where a new password comes from: the terminal, asked twice, unless told otherwise. kHashStdin: no
// password, but what another system stored of it.
enum class PasswordSource : uint8_t { kTerminal, kStdin, kHashStdin, kNone };

struct UserPasswordOptions {
  std::string address;
  PasswordSource password = PasswordSource::kTerminal;
  bool weak_password = false;  // One that the policy refuses is taken, with a warning.
  std::string scheme;          // How to store it, as users.hash says it; empty: as that says.
  bool end_sessions = false;   // After a change: the running ones.
};

struct UserListOptions {
  std::string tenant;  // Empty: all.
  bool json = false;
};

struct UserShowOptions {
  std::string address;
  bool json = false;
};

struct UserSetOptions {
  std::string address;
  // Outer: is to change. Inner: a quota of his own, 0 for no limit; none: the tenant's.
  std::optional<std::optional<uint64_t>> quota_octets;
  std::optional<std::optional<uint64_t>> quota_messages;
  // Inner: whether only app passwords are taken; none: as the tenant says.
  std::optional<std::optional<bool>> require_app_password;
  std::optional<bool> pop3;
  bool end_sessions = false;  // After the change: the running ones.
};

ExitCode UserAdd(const UserPasswordOptions& options, const tenant::Config& config,
                 Console& console);
ExitCode UserPasswd(const UserPasswordOptions& options, const tenant::Config& config,
                    Console& console);
ExitCode UserList(const UserListOptions& options, const tenant::Config& config, Console& console);
ExitCode UserShow(const UserShowOptions& options, const tenant::Config& config, Console& console);
ExitCode UserSet(const UserSetOptions& options, const tenant::Config& config, Console& console);
ExitCode UserEnable(const std::string& address, const tenant::Config& config, Console& console);
ExitCode UserDisable(const std::string& address, bool end_sessions, const tenant::Config& config,
                     Console& console);
ExitCode UserRemove(const std::string& address, const tenant::Config& config, Console& console);

}  // namespace poplar::app
