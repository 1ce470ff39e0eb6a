// The part of UserDatabase that keeps tenants and their domains.

#include <unordered_map>
#include <utility>

#include "auth/users/address.h"
#include "auth/users/policy_columns.h"
#include "auth/users/sqlite.h"
#include "auth/users/user_database.h"

namespace poplar::auth {
namespace {

std::string Quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

constexpr char kTenantColumns[] =
    "SELECT t.id, t.name, t.enabled, t.created_s,"
    " (SELECT count(*) FROM users AS u WHERE u.tenant = t.id),"
    " t.maildrop_quota_octets, t.maildrop_quota_messages, t.quota_octets, t.quota_messages,"
    " t.keep_deleted_days, t.expire_days, t.expire_read_days, t.source"
    " FROM tenants AS t";

TenantRecord ReadTenant(const SqliteQuery& row) {
  TenantRecord tenant;
  tenant.id = TenantId(static_cast<uint64_t>(row.Number(0)));
  tenant.name = row.Text(1);
  tenant.enabled = row.Number(2) != 0;
  tenant.created_s = row.Number(3);
  tenant.users = static_cast<uint64_t>(row.Number(4));
  tenant.maildrop_quota = ReadQuota(row, 5);
  tenant.policy = ReadPolicy(row, 7);
  tenant.policy.name = tenant.name;
  tenant.source = row.Text(12);
  return tenant;
}

Status ReadDomains(SqliteConnection& connection, TenantRecord& tenant) {
  SqliteQuery query(connection, "SELECT name FROM domains WHERE tenant = ?1 ORDER BY name");
  query.Bind(ToSql(tenant.id));
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return OkStatus();
    tenant.domains.push_back(query.Text(0));
  }
}

}  // namespace

Status CheckTenantName(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (name.empty() || name.size() > kTenantNameBytesMax ||
      name.find_first_not_of(kAllowed) != std::string_view::npos || name.front() == '-') {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "a tenant's name has 1 to 64 letters, digits, '.', '_' and '-', and does not "
                      "begin with '-'");
  }
  return OkStatus();
}

StatusOr<TenantId> UserDatabase::TenantIdOf(std::string_view name) {
  SqliteQuery query(*connection_, "SELECT id FROM tenants WHERE name = ?1");
  POP_ASSIGN_OR_RETURN(const bool row, query.Bind(name).Step());
  if (!row) return MakeStatus(StatusCode::kNotFound, "there is no tenant " + Quoted(name));
  return TenantId(static_cast<uint64_t>(query.Number(0)));
}

Status UserDatabase::InsertDomain(TenantId tenant, std::string_view domain) {
  POP_ASSIGN_OR_RETURN(const std::string name, ParseDomain(domain));
  SqliteQuery owner(*connection_,
                    "SELECT t.name FROM domains AS d JOIN tenants AS t ON t.id = d.tenant "
                    "WHERE d.name = ?1");
  POP_ASSIGN_OR_RETURN(const bool taken, owner.Bind(name).Step());
  if (taken) {
    return MakeStatus(StatusCode::kAlreadyExists,
                      "the domain " + name + " belongs to the tenant " + Quoted(owner.Text(0)));
  }
  SqliteQuery insert(*connection_, "INSERT INTO domains (name, tenant) VALUES (?1, ?2)");
  return insert.Bind(name).Bind(ToSql(tenant)).Run();
}

StatusOr<TenantRecord> UserDatabase::AddTenant(std::string_view name,
                                               std::span<const std::string> domains,
                                               const TenantChange& change) {
  POP_RETURN_IF_ERROR(CheckTenantName(name));
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  if (TenantIdOf(name).ok()) {
    return MakeStatus(StatusCode::kAlreadyExists, "there is a tenant " + Quoted(name) + " already");
  }
  SqliteQuery insert(*connection_, "INSERT INTO tenants (name, created_s) VALUES (?1, ?2)");
  POP_RETURN_IF_ERROR(insert.Bind(name).Bind(NowSeconds()).Run());
  POP_ASSIGN_OR_RETURN(const TenantId id, TenantIdOf(name));
  for (const std::string& domain : domains) POP_RETURN_IF_ERROR(InsertDomain(id, domain));
  if (change) {
    POP_ASSIGN_OR_RETURN(TenantRecord tenant, FindTenant(name));
    change(tenant);
    POP_RETURN_IF_ERROR(StorePolicy(tenant));
  }
  POP_RETURN_IF_ERROR(transaction.Commit());
  return FindTenant(name);
}

StatusOr<TenantRecord> UserDatabase::FindTenant(std::string_view name) {
  POP_ASSIGN_OR_RETURN(const TenantId id, TenantIdOf(name));
  const std::string sql = std::string(kTenantColumns) + " WHERE t.id = ?1";
  SqliteQuery query(*connection_, sql.c_str());
  POP_ASSIGN_OR_RETURN(const bool row, query.Bind(ToSql(id)).Step());
  if (!row) return MakeStatus(StatusCode::kNotFound, "there is no tenant " + Quoted(name));
  TenantRecord tenant = ReadTenant(query);
  POP_RETURN_IF_ERROR(ReadDomains(*connection_, tenant));
  POP_RETURN_IF_ERROR(ReadRules(*connection_, id, [&](uint64_t) { return &tenant.policy.rules; }));
  return tenant;
}

StatusOr<std::vector<TenantRecord>> UserDatabase::ListTenants() {
  const std::string sql = std::string(kTenantColumns) + " ORDER BY t.name";
  SqliteQuery query(*connection_, sql.c_str());
  std::vector<TenantRecord> tenants;
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) break;
    tenants.push_back(ReadTenant(query));
    POP_RETURN_IF_ERROR(ReadDomains(*connection_, tenants.back()));
  }
  std::unordered_map<uint64_t, TenantRules*> rules;
  for (TenantRecord& tenant : tenants) rules[tenant.id.value()] = &tenant.policy.rules;
  POP_RETURN_IF_ERROR(ReadRules(*connection_, std::nullopt, [&](uint64_t tenant) {
    const auto found = rules.find(tenant);
    return found == rules.end() ? nullptr : found->second;
  }));
  return tenants;
}

Status UserDatabase::SetTenantEnabled(std::string_view name, bool enabled) {
  POP_ASSIGN_OR_RETURN(const TenantId id, TenantIdOf(name));
  SqliteQuery update(*connection_, "UPDATE tenants SET enabled = ?1 WHERE id = ?2");
  return update.Bind(enabled ? 1 : 0).Bind(ToSql(id)).Run();
}

Status UserDatabase::AddDomain(std::string_view tenant, std::string_view domain) {
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const TenantId id, TenantIdOf(tenant));
  POP_RETURN_IF_ERROR(InsertDomain(id, domain));
  return transaction.Commit();
}

Status UserDatabase::RemoveDomain(std::string_view tenant, std::string_view domain) {
  POP_ASSIGN_OR_RETURN(const std::string name, ParseDomain(domain));
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const TenantId id, TenantIdOf(tenant));
  {
    SqliteQuery used(*connection_, "SELECT 1 FROM users WHERE domain = ?1 AND tenant = ?2 LIMIT 1");
    POP_ASSIGN_OR_RETURN(const bool in_use, used.Bind(name).Bind(ToSql(id)).Step());
    if (in_use) {
      return MakeStatus(StatusCode::kFailedPrecondition,
                        "users have addresses in " + name + ": remove or rename them first");
    }
  }
  SqliteQuery erase(*connection_, "DELETE FROM domains WHERE name = ?1 AND tenant = ?2");
  POP_RETURN_IF_ERROR(erase.Bind(name).Bind(ToSql(id)).Run());
  if (connection_->changes() == 0) {
    return MakeStatus(StatusCode::kNotFound,
                      "the tenant " + Quoted(tenant) + " has no domain " + name);
  }
  return transaction.Commit();
}

Status UserDatabase::RemoveTenant(std::string_view name, bool with_users) {
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const TenantId id, TenantIdOf(name));
  SqliteQuery erase_users(*connection_, "DELETE FROM users WHERE tenant = ?1");
  POP_RETURN_IF_ERROR(erase_users.Bind(ToSql(id)).Run());
  if (!with_users && connection_->changes() != 0) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      "the tenant " + Quoted(name) + " still has users");  // Rolls back.
  }
  SqliteQuery erase_domains(*connection_, "DELETE FROM domains WHERE tenant = ?1");
  POP_RETURN_IF_ERROR(erase_domains.Bind(ToSql(id)).Run());
  SqliteQuery erase_tenant(*connection_, "DELETE FROM tenants WHERE id = ?1");
  POP_RETURN_IF_ERROR(erase_tenant.Bind(ToSql(id)).Run());
  return transaction.Commit();
}

}  // namespace poplar::auth
