// A running server as the commands of this binary that also work without one see it. Blocking.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Whether a server owns the store, so that it is the one to ask.
bool StoreIsServed(const tenant::Config& config);

// As ops::CallAdmin.
StatusOr<nlohmann::json> AskServer(const tenant::Config& config, std::string command,
                                   nlohmann::json arguments, uint32_t timeout_ms);

}  // namespace poplar::app
