// A tenant in lines, as a plug-in tells it (POPLAR_TENANT of auth/plugin.h):
//
//   name=acme
//   domain=acme.example
//   domain=acme.test
//   quota_octets=500000000000
//   require_tls=t
//
// Pure; any thread.

#pragma once

#include <string_view>

#include "core/base/status.h"
#include "core/base/tenant_spec.h"

namespace poplar::tenant {

// Everything but the source. "t", "1", "f" and "0" are truth values too: databases write them so.
// kInvalidArgument: a sentence that names the tenant; its name is right nevertheless, and empty
// only where the first line does not give it.
Status ParseTenantLines(std::string_view lines, TenantSpec& tenant);

}  // namespace poplar::tenant
