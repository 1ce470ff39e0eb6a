// Asks the running server on its admin socket, as the configuration names it.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

inline constexpr uint32_t kAskTimeoutMs = 30'000;

// Blocks. As ops::CallAdmin.
StatusOr<nlohmann::json> AskServer(const tenant::Config& config, std::string command,
                                   nlohmann::json arguments, uint32_t timeout_ms = kAskTimeoutMs);

}  // namespace poplar::app
