// `poplar tenant add|list|show|remove`: the built-in database, with or without a running server.

#pragma once

#include <string>
#include <vector>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct TenantAddOptions {
  std::string name;
  std::vector<std::string> domains;
};

struct TenantListOptions {
  bool json = false;
};

struct TenantShowOptions {
  std::string name;
  bool json = false;
};

struct TenantRemoveOptions {
  std::string name;
  bool with_users = false;
};

ExitCode TenantAdd(const TenantAddOptions& options, const tenant::Config& config, Console& console);
ExitCode TenantList(const TenantListOptions& options, const tenant::Config& config,
                    Console& console);
ExitCode TenantShow(const TenantShowOptions& options, const tenant::Config& config,
                    Console& console);
ExitCode TenantRemove(const TenantRemoveOptions& options, const tenant::Config& config,
                      Console& console);

}  // namespace poplar::app
