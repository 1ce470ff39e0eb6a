#include "core/app/commands/user_records.h"

#include <optional>
#include <utility>

namespace poplar::app {
namespace {

template <class Number>
nlohmann::json OrNull(const std::optional<Number>& number) {
  return number.has_value() ? nlohmann::json(*number) : nlohmann::json();
}

}  // namespace

StatusOr<std::unique_ptr<auth::UserDatabase>> OpenUsers(const tenant::Config& config) {
  auto users = auth::UserDatabase::Open(config.users.database);
  if (users.status().code() != StatusCode::kNotFound) return users;
  return MakeStatus(StatusCode::kFailedPrecondition,
                    "there is no user database at " + config.users.database +
                        "; make one with `poplar init DIR`, where DIR holds poplar.toml");
}

nlohmann::json ToJson(const auth::TenantRecord& record) {
  const TenantPolicy& policy = record.policy;
  nlohmann::json settings = nlohmann::json::object();
  for (const TenantRuleInfo& rule : AllTenantRules()) {
    settings[std::string(rule.name)] = TenantRuleText(policy.rules, rule.name);
  }
  return {{"name", record.name},
          {"id", record.id.value()},
          {"enabled", record.enabled},
          {"domains", record.domains},
          {"users", record.users},
          {"created_s", record.created_s},
          {"quota_octets", policy.quota.octets},
          {"quota_messages", policy.quota.messages},
          {"maildrop_quota_octets", record.maildrop_quota.octets},
          {"maildrop_quota_messages", record.maildrop_quota.messages},
          {"keep_deleted_days", policy.keep_deleted_days},
          {"expire_days", policy.expire_days},
          {"expire_read_days", OrNull(policy.expire_read_days)},
          {"source", record.source},
          {"settings", std::move(settings)}};
}

nlohmann::json ToJson(const auth::UserRecord& record) {
  return {{"address", record.address},
          {"tenant", record.tenant_name},
          {"account", record.account},
          {"enabled", record.enabled},
          {"tenant_enabled", record.tenant_enabled},
          {"hash", record.scheme},
          {"created_s", record.created_s},
          {"password_changed_s", record.password_changed_s},
          {"quota_octets", record.quota.octets},
          {"quota_messages", record.quota.messages},
          {"own_quota_octets", OrNull(record.own_quota.octets)},
          {"own_quota_messages", OrNull(record.own_quota.messages)},
          {"require_app_password", OrNull(record.require_app_password)}};
}

}  // namespace poplar::app
          {"pop3", record.pop3},
