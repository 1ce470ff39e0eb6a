// A tenant in a file of its own: tenants.d/acme.toml is the tenant acme. README.md has an example.
//
//   domains = ["acme.example"]        # at least one
//   enabled = true
//   quota_octets = 500_000_000_000    # and quota_messages, maildrop_quota_octets,
//   keep_deleted_days = 30            # maildrop_quota_messages, expire_days, expire_read_days
//   require_tls = true                # and every setting of core/base/tenant_rules.h
//
// Pure; any thread.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/tenant_spec.h"
#include "core/tenant/config.h"

namespace poplar::tenant {

struct ParsedTenant {
  TenantSpec tenant;                // Right only if there are no faults.
  std::vector<ConfigFault> faults;  // In the order of the file.
};

// `file` names the text in faults; the tenant is called as it is, without folder and ending.
// Whether name and domains may be so, the user database says.
ParsedTenant ParseTenant(std::string_view text, std::string_view file);

// Reads and parses the file. One that cannot be read is one fault.
ParsedTenant ReadTenant(const std::string& path);

}  // namespace poplar::tenant
