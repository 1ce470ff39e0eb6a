#include "core/app/commands/user_records.h"

namespace poplar::app {

StatusOr<std::unique_ptr<auth::UserDatabase>> OpenUsers(const tenant::Config& config) {
  auto users = auth::UserDatabase::Open(config.users.database);
  if (users.status().code() != StatusCode::kNotFound) return users;
  return MakeStatus(StatusCode::kFailedPrecondition,
                    "there is no user database at " + config.users.database +
                        "; make one with `poplar init DIR`, where DIR holds poplar.toml");
}

nlohmann::json ToJson(const auth::TenantRecord& record) {
  return {{"name", record.name},       {"id", record.id.value()}, {"enabled", record.enabled},
          {"domains", record.domains}, {"users", record.users},   {"created_s", record.created_s}};
}

nlohmann::json ToJson(const auth::UserRecord& record) {
  return {{"address", record.address},
          {"tenant", record.tenant_name},
          {"account", record.account},
          {"enabled", record.enabled},
          {"tenant_enabled", record.tenant_enabled},
          {"hash", record.scheme},
          {"created_s", record.created_s},
          {"password_changed_s", record.password_changed_s}};
}

}  // namespace poplar::app
