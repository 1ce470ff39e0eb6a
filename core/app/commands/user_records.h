// What the tenant and user commands share: the database they open, and its records as JSON.

#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "auth/users/user_database.h"
#include "core/tenant/config.h"

namespace poplar::app {

// The configured database. One that is not there says how to make it.
StatusOr<std::unique_ptr<auth::UserDatabase>> OpenUsers(const tenant::Config& config);

nlohmann::json ToJson(const auth::TenantRecord& record);
nlohmann::json ToJson(const auth::UserRecord& record);

}  // namespace poplar::app
