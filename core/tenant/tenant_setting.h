// What a tenant has, by name and as text: of a file (tenant_file.h), of a provider's database
// (tenant_lines.h). Pure; any thread.

#pragma once

#include <string_view>

#include "core/base/status.h"
#include "core/base/tenant_spec.h"

namespace poplar::tenant {

// "enabled", quotas, days, and every setting of core/base/tenant_rules.h. kInvalidArgument: what to
// write instead; kNotFound: there is none of that name. The tenant is as before then.
Status SetTenantSetting(TenantSpec& tenant, std::string_view name, std::string_view text);

// Whether the setting says yes or no.
bool IsTruthSetting(std::string_view name);

}  // namespace poplar::tenant
