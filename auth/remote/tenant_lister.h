// Which tenants a back end knows, asked of a plug-in in a process of its own: a long answer, or one
// that never comes, holds up nobody who logs in.

#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "auth/host/frames.h"
#include "auth/remote/host_spawner.h"
#include "core/base/status.h"

namespace poplar::auth {

struct TenantListerOptions {
  HostSpawner* spawner = nullptr;  // Outlives the question.
  std::string plugin;              // The shared object.
  PluginSettings settings;
  uint32_t start_timeout_ms = 10'000;
  uint32_t answer_timeout_ms = 10'000;  // For each part of the answer.
};

inline constexpr size_t kListedTenantsMax = 200'000;

// Each tenant as POPLAR_TENANT of auth/plugin.h has it. Blocks; any thread that lives until it
// returns. Lines that the plug-in has for the log go there.
//
// kInvalidArgument: the plug-in is not fit or its settings are wrong. kFailedPrecondition: by its
// settings it knows nothing of tenants. kUnavailable: it cannot say now, with its reason; or `stop`
// was requested, which ends it soon.
StatusOr<std::vector<std::string>> ListTenants(const TenantListerOptions& options,
                                               const std::stop_token& stop);

}  // namespace poplar::auth
