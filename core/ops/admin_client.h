// The poplar command's end of the admin socket. Blocking; any thread.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/status.h"

namespace poplar::ops {

// No limit of time: the answer, or the server's end.
inline constexpr uint32_t kNoTimeLimit = 0;

struct AdminCall {
  std::string socket_path;
  std::string command;
  nlohmann::json arguments = nlohmann::json::object();
  uint32_t timeout_ms = 30'000;
};

// The command's result, or its error as the server told it. On this side: kFailedPrecondition if no
// server runs here, kPermissionDenied if this user may not ask, kDeadlineExceeded.
StatusOr<nlohmann::json> CallAdmin(const AdminCall& call);

}  // namespace poplar::ops
