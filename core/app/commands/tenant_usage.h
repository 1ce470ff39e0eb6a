// `poplar tenant usage`: what tenants used, for bills; with or without a running server.

#pragma once

#include <optional>
#include <string>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct TenantUsageOptions {
  std::string name;               // Empty: all tenants.
  std::optional<uint32_t> since;  // Days since 1970, in UTC; none: from the first on.
  std::optional<uint32_t> until;  // Itself included.
  bool by_day = false;
  bool json = false;
};

ExitCode TenantUsage(const TenantUsageOptions& options, const tenant::Config& config,
                     Console& console);

}  // namespace poplar::app
