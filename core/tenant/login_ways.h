// How users of a tenant can log in, as far as the configuration decides it: which mechanisms are
// offered and allowed, and which of them its back ends and TLS can serve. Pure; any thread.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/tenant_rules.h"
#include "core/tenant/config.h"

namespace poplar::tenant {

// The back ends that users of a tenant with these rules are looked up in, in order.
std::vector<std::string> ChainOf(const Config& config, const TenantRules& rules);

// Why nobody of a tenant with these rules can log in by `mechanism`: "auth.mechanisms does not have
// EXTERNAL". Empty: as far as the configuration goes, it works. What a plug-in can do is not known
// here: it is taken to do all.
std::string WhyClosed(const Config& config, const TenantRules& rules, std::string_view mechanism);

// Those that work; the tenant's own where it allows some only.
std::vector<std::string_view> WaysIn(const Config& config, const TenantRules& rules);

// Empty: somebody may log in. Else a sentence with the reasons.
std::string WhyNobodyLogsIn(const Config& config, const TenantRules& rules);

}  // namespace poplar::tenant
