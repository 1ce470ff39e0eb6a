// `poplar auth test` and `poplar user flush`: asked of the running server.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

enum class TestedSecret : uint8_t { kNone, kPassword, kToken };

struct AuthTestOptions {
  std::string address;
  TestedSecret secret = TestedSecret::kNone;
  bool from_stdin = false;  // Else it is asked for on the terminal.
  bool json = false;
};

struct UserFlushOptions {
  std::string address;  // Empty: all.
  bool end_sessions = false;
};

// kOk: the chain would let the user in (or, without a secret, knows the address). kNoPermission:
// it would not; kNoUser: nobody of that name; kTemporary: that cannot be told now.
ExitCode AuthTest(const AuthTestOptions& options, const tenant::Config& config, Console& console);

// After a change of the built-in database: the running server goes by it at once, and with
// `ends_sessions` the user's sessions end. Without a server there is nothing to do. That it could
// not be told to hurry is said, and no failure: within a second it notices by itself.
ExitCode AfterChange(const std::string& address, bool ends_sessions, const tenant::Config& config,
                     Console& console);

ExitCode UserFlush(const UserFlushOptions& options, const tenant::Config& config, Console& console);

// Of what `auth.test` answers of each back end (`asked`: "address", "password", "account" or
// "token"), the one whose answer a client would hear. Null: nobody could be asked.
const nlohmann::json* Decider(const nlohmann::json& links, std::string_view asked);

// One of the penalties that it answers, in words.
std::string PenaltyText(const nlohmann::json& penalty);

}  // namespace poplar::app
