// `poplar tenant dns`: what DNS has to say for a domain, so that mail programs set themselves up.

#pragma once

#include <string>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct TenantDnsOptions {
  std::string domain;
  bool json = false;
};

ExitCode TenantDns(const TenantDnsOptions& options, const tenant::Config& config, Console& console);

}  // namespace poplar::app
