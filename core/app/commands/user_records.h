// What the tenant and user commands share: the database they open, and its records as JSON.

#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "auth/users/user_database.h"
#include "core/app/console.h"
#include "core/app/wiring.h"
#include "core/base/mail_policy.h"
#include "core/tenant/config.h"

namespace poplar::app {

// The configured database. One that is not there says how to make it.
StatusOr<std::unique_ptr<auth::UserDatabase>> OpenUsers(const tenant::Config& config);

// What it says of tenants.
StatusOr<TenantPolicies> PoliciesOf(const tenant::Config& config);

// Says why they could not be opened. kConfig: none is there, or it is none of this program's.
ExitCode FailUsers(Console& console, const Status& why);

// Why nobody of this tenant can log in, though its settings or the configuration may not look like
// it; empty where somebody can, or where POP3 or the tenant is switched off in so many words.
StatusOr<std::string> WhyNobodyLogsIn(const tenant::Config& config,
                                      const auth::TenantRecord& tenant, auth::UserDatabase& users);

// Why mail for users of a tenant with these rules has to wait; empty where a back end of its chain
// can say whose an address is, or the chain names one that is not there.
std::string WhyMailWaits(const tenant::Config& config, const TenantRules& rules,
                         const KnowsAddresses& knows);

// A quota of 0 is no limit, as are 0 days of expiry; null: what is fetched does not expire, or a
// user has no quota of his own.
nlohmann::json ToJson(const auth::TenantRecord& record);
nlohmann::json ToJson(const auth::UserRecord& record);

}  // namespace poplar::app
