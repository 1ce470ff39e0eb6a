// The part of UserDatabase that keeps quotas and policies.

#include <utility>

#include "auth/users/address.h"
#include "auth/users/policy_columns.h"
#include "auth/users/sqlite.h"
#include "auth/users/user_database.h"
#include "core/base/log.h"

namespace poplar::auth {
namespace {

std::optional<uint64_t> Unsigned(std::optional<int64_t> number) {
  if (!number.has_value()) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

Status CheckQuota(const Quota& quota) {
  if (quota.octets <= kQuotaMax && quota.messages <= kQuotaMax) return OkStatus();
  return MakeStatus(StatusCode::kInvalidArgument,
                    "a quota is at most " + std::to_string(kQuotaMax));
}

Status CheckDays(uint32_t days) {
  if (days <= kPolicyDaysMax) return OkStatus();
  return MakeStatus(StatusCode::kInvalidArgument, std::to_string(days) + " days are too many; " +
                                                      std::to_string(kPolicyDaysMax) +
                                                      " are the most");
}

Status ReadDomains(SqliteConnection& connection, TenantPolicies& policies) {
  SqliteQuery query(connection,
                    "SELECT domains.name, tenants.id, tenants.name, tenants.enabled,"
                    " tenants.maildrop_quota_octets, tenants.maildrop_quota_messages"
                    " FROM domains JOIN tenants ON tenants.id = domains.tenant");
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return OkStatus();
    TenantPolicies::Domain domain;
    domain.tenant = TenantId(static_cast<uint64_t>(query.Number(1)));
    domain.name = query.Text(2);
    domain.enabled = query.Number(3) != 0;
    domain.maildrop_quota = ReadQuota(query, 4);
    policies.by_domain.emplace(query.Text(0), std::move(domain));
  }
}

}  // namespace

Status ReadRules(SqliteConnection& connection, std::optional<TenantId> tenant,
                 const std::function<TenantRules*(uint64_t)>& rules_of) {
  SqliteQuery query(connection,
                    "SELECT tenant, name, value FROM tenant_settings"
                    " WHERE ?1 IS NULL OR tenant = ?1");
  query.Bind(tenant ? std::optional<int64_t>(ToSql(tenant->value())) : std::nullopt);
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return OkStatus();
    const auto id = static_cast<uint64_t>(query.Number(0));
    TenantRules* const rules = rules_of(id);
    if (rules == nullptr) continue;
    const Status set = SetTenantRule(*rules, query.Text(1), query.Text(2));
    if (set.ok()) continue;
    base::Log(base::LogLevel::kWarning, "tenant_setting_ignored",
              {{"tenant", id}, {"reason", Message(set)}});
  }
}

Quota ReadQuota(const SqliteQuery& row, int column) {
  return {.octets = static_cast<uint64_t>(row.Number(column)),
          .messages = static_cast<uint64_t>(row.Number(column + 1))};
}

TenantPolicy ReadPolicy(const SqliteQuery& row, int column) {
  TenantPolicy policy;
  policy.quota = ReadQuota(row, column);
  policy.keep_deleted_days = static_cast<uint32_t>(row.Number(column + 2));
  policy.expire_days = static_cast<uint32_t>(row.Number(column + 3));
  if (const auto days = row.NumberOrNull(column + 4)) {
    policy.expire_read_days = static_cast<uint32_t>(*days);
  }
  return policy;
}

void ReadUserQuota(const SqliteQuery& row, int column, UserRecord& user) {
  user.own_quota.octets = Unsigned(row.NumberOrNull(column));
  user.own_quota.messages = Unsigned(row.NumberOrNull(column + 1));
  const Quota of_tenant = ReadQuota(row, column + 2);
  user.quota.octets = user.own_quota.octets.value_or(of_tenant.octets);
  user.quota.messages = user.own_quota.messages.value_or(of_tenant.messages);
}

Status UserDatabase::StorePolicy(const TenantRecord& tenant) {
  const TenantPolicy& policy = tenant.policy;
  POP_RETURN_IF_ERROR(CheckQuota(policy.quota));
  POP_RETURN_IF_ERROR(CheckQuota(tenant.maildrop_quota));
  POP_RETURN_IF_ERROR(CheckDays(policy.keep_deleted_days));
  POP_RETURN_IF_ERROR(CheckDays(policy.expire_days));
  POP_RETURN_IF_ERROR(CheckDays(policy.expire_read_days.value_or(0)));
  SqliteQuery update(*connection_,
                     "UPDATE tenants SET quota_octets = ?1, quota_messages = ?2,"
                     " maildrop_quota_octets = ?3, maildrop_quota_messages = ?4,"
                     " keep_deleted_days = ?5, expire_days = nullif(?6, 0),"
                     " expire_read_days = ?7 WHERE id = ?8");
  update.Bind(ToSql(policy.quota.octets)).Bind(ToSql(policy.quota.messages));
  update.Bind(ToSql(tenant.maildrop_quota.octets)).Bind(ToSql(tenant.maildrop_quota.messages));
  update.Bind(int64_t{policy.keep_deleted_days}).Bind(int64_t{policy.expire_days});
  update.Bind(std::optional<int64_t>(policy.expire_read_days)).Bind(ToSql(tenant.id.value()));
  POP_RETURN_IF_ERROR(update.Run());
  return StoreRules(tenant);
}

// One by one, so that what a newer program wrote stays.
Status UserDatabase::StoreRules(const TenantRecord& tenant) {
  for (const TenantRuleInfo& rule : AllTenantRules()) {
    const std::string value = TenantRuleText(tenant.policy.rules, rule.name);
    const bool is_default = value == rule.default_value;
    SqliteQuery change(*connection_,
                       is_default
                           ? "DELETE FROM tenant_settings WHERE tenant = ?1 AND name = ?2"
                           : "INSERT INTO tenant_settings (tenant, name, value) VALUES (?1, ?2, ?3)"
                             " ON CONFLICT DO UPDATE SET value = ?3");
    change.Bind(ToSql(tenant.id.value())).Bind(rule.name);
    if (!is_default) change.Bind(value);
    POP_RETURN_IF_ERROR(change.Run());
  }
  return OkStatus();
}

StatusOr<TenantRecord> UserDatabase::ChangeTenant(std::string_view name,
                                                  const TenantChange& change) {
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(TenantRecord tenant, FindTenant(name));
  change(tenant);
  POP_RETURN_IF_ERROR(StorePolicy(tenant));
  POP_RETURN_IF_ERROR(transaction.Commit());
  return FindTenant(name);
}

StatusOr<UserRecord> UserDatabase::ChangeUserQuota(std::string_view address,
                                                   const std::function<void(UserQuota&)>& change) {
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(UserRecord user, FindUser(address));
  change(user.own_quota);
  POP_RETURN_IF_ERROR(CheckQuota({.octets = user.own_quota.octets.value_or(0),
                                  .messages = user.own_quota.messages.value_or(0)}));
  SqliteQuery update(*connection_,
                     "UPDATE users SET quota_octets = ?1, quota_messages = ?2 "
                     "WHERE address_key = ?3");
  update.Bind(ToSql(user.own_quota.octets)).Bind(ToSql(user.own_quota.messages));
  POP_RETURN_IF_ERROR(update.Bind(LookupKey(address)).Run());
  POP_RETURN_IF_ERROR(transaction.Commit());
  return FindUser(address);
}

StatusOr<std::optional<TenantPolicies>> UserDatabase::TakePolicies() {
  // The version first: what is committed in between is then read twice, not missed.
  POP_ASSIGN_OR_RETURN(const int64_t version, connection_->Number("PRAGMA data_version"));
  if (version == policies_version_) return std::optional<TenantPolicies>();
  SqliteQuery query(*connection_,
                    "SELECT id, name, quota_octets, quota_messages, keep_deleted_days,"
                    " expire_days, expire_read_days FROM tenants");
  TenantPolicies policies;
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) break;
    TenantPolicy policy = ReadPolicy(query, 2);
    policy.name = query.Text(1);
    policies.by_tenant.emplace(static_cast<uint64_t>(query.Number(0)), std::move(policy));
  }
  POP_RETURN_IF_ERROR(ReadDomains(*connection_, policies));
  POP_RETURN_IF_ERROR(ReadRules(*connection_, std::nullopt, [&](uint64_t tenant) {
    const auto found = policies.by_tenant.find(tenant);
    return found == policies.by_tenant.end() ? nullptr : &found->second.rules;
  }));
  policies_version_ = version;
  return std::optional<TenantPolicies>(std::move(policies));
}

}  // namespace poplar::auth
