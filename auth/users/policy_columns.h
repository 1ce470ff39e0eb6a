// Tenants, quotas and policies as rows hold them. Private to auth/users.

#pragma once

#include <functional>
#include <optional>

#include "auth/users/sqlite.h"
#include "auth/users/user_database.h"
#include "core/base/mail_policy.h"

namespace poplar::auth {

Status CheckTenantName(std::string_view name);

// Of two columns: octets, messages.
Quota ReadQuota(const SqliteQuery& row, int column);

// Of five: octets, messages, days that deleted mail is kept, days of expiry, days of expiry once
// read. The name is the caller's.
TenantPolicy ReadPolicy(const SqliteQuery& row, int column);

// Adds the settings of all tenants, or of one, to what `rules_of` finds for an id; null: nobody's.
// What this program does not know, or cannot be, is logged and left out: a newer one may have
// written it.
Status ReadRules(SqliteConnection& connection, std::optional<TenantId> tenant,
                 const std::function<TenantRules*(uint64_t)>& rules_of);

// Of four: the user's own quota, then what his tenant gives each maildrop.
void ReadUserQuota(const SqliteQuery& row, int column, UserRecord& user);

}  // namespace poplar::auth
