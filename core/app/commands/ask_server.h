// Asks the running server on its admin socket, as the configuration names it.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Long enough for what asks a chain of back ends, each link of which has a deadline of ten seconds
// or so.
inline constexpr uint32_t kAskTimeoutMs = 300'000;

// Blocks. The server's answer; kUnavailable where none listens, or what CallAdmin
// (core/ops/admin_client.h) says else.
StatusOr<nlohmann::json> Ask(const tenant::Config& config, std::string command,
                             nlohmann::json arguments, uint32_t timeout_ms = kAskTimeoutMs);

}  // namespace poplar::app
