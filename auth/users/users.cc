// The part of UserDatabase that keeps users.

#include <sys/random.h>

#include <array>
#include <cstdint>
#include <utility>

#include "auth/schemes/password_hasher.h"
#include "auth/users/address.h"
#include "auth/users/policy_columns.h"
#include "auth/users/sqlite.h"
#include "auth/users/user_database.h"
#include "core/base/check.h"

namespace poplar::auth {
namespace {

constexpr char kUserColumns[] =
    "SELECT u.account, u.tenant, t.name, u.address, u.enabled, t.enabled, u.hash, u.created_s,"
    " u.password_changed_s, u.quota_octets, u.quota_messages,"
    " t.maildrop_quota_octets, t.maildrop_quota_messages, u.require_app_password, u.pop3"
    " FROM users AS u JOIN tenants AS t ON t.id = u.tenant";

UserRecord ReadUser(const SqliteQuery& row) {
  UserRecord user;
  user.account = row.Text(0);
  user.tenant = TenantId(static_cast<uint64_t>(row.Number(1)));
  user.tenant_name = row.Text(2);
  user.address = row.Text(3);
  user.enabled = row.Number(4) != 0;
  user.tenant_enabled = row.Number(5) != 0;
  user.scheme = SchemeName(row.Text(6));
  user.created_s = row.Number(7);
  user.password_changed_s = row.Number(8);
  ReadUserQuota(row, 9, user);
  const std::optional<int64_t> require = row.NumberOrNull(13);
  if (require) user.require_app_password = *require != 0;
  user.pop3 = row.Number(14) != 0;
  return user;
}

// 128 random bits: opaque, and unique even against ids that a restored file has forgotten.
std::string NewAccountId() {
  std::array<unsigned char, 16> random;
  POP_CHECK(::getrandom(random.data(), random.size(), 0) == static_cast<ssize_t>(random.size()));
  constexpr char kHex[] = "0123456789abcdef";
  std::string id;
  for (const unsigned char byte : random) {
    id += kHex[byte >> 4];
    id += kHex[byte & 15];
  }
  return id;
}

Status NoSuchUser(std::string_view address) {
  return MakeStatus(StatusCode::kNotFound, "there is no user " + std::string(address));
}

// Weak ones are taken where the tenant says so.
Status CheckHash(SqliteConnection& connection, TenantId tenant, std::string_view hash) {
  if (hash.empty()) return OkStatus();
  Status strong = CheckStoredHash(hash);
  if (strong.ok() || !CheckStoredHash(hash, WeakSchemes::kAllow).ok()) return strong;
  SqliteQuery query(connection,
                    "SELECT 1 FROM tenant_settings"
                    " WHERE tenant = ?1 AND name = 'weak_schemes' AND value = 'true'");
  POP_ASSIGN_OR_RETURN(const bool allowed, query.Bind(static_cast<int64_t>(tenant.value())).Step());
  return allowed
             ? OkStatus()
             : MakeStatus(StatusCode::kInvalidArgument,
                          std::string(Message(strong)) + ": its tenant's weak_schemes is not on");
}

StatusOr<bool> AddressTaken(SqliteConnection& connection, const std::string& key) {
  SqliteQuery query(connection, "SELECT 1 FROM users WHERE address_key = ?1");
  return query.Bind(key).Step();
}

Status AlreadyThere(const Address& address) {
  return MakeStatus(StatusCode::kAlreadyExists, "there is a user " + address.spelled + " already");
}

}  // namespace

StatusOr<TenantId> UserDatabase::TenantOfDomain(std::string_view domain) {
  SqliteQuery query(*connection_, "SELECT tenant FROM domains WHERE name = ?1");
  POP_ASSIGN_OR_RETURN(const bool row, query.Bind(domain).Step());
  if (!row) {
    return MakeStatus(StatusCode::kNotFound,
                      "no tenant has the domain " + std::string(domain) + ": add it to one first");
  }
  return TenantId(static_cast<uint64_t>(query.Number(0)));
}

StatusOr<UserRecord> UserDatabase::AddUser(std::string_view address, std::string_view hash) {
  POP_ASSIGN_OR_RETURN(const Address parsed, ParseAddress(address));
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const TenantId tenant, TenantOfDomain(parsed.domain));
  POP_RETURN_IF_ERROR(CheckHash(*connection_, tenant, hash));
  POP_ASSIGN_OR_RETURN(const bool taken, AddressTaken(*connection_, parsed.key));
  if (taken) return AlreadyThere(parsed);
  SqliteQuery insert(*connection_,
                     "INSERT INTO users (account, tenant, address, address_key, domain, hash,"
                     " created_s, password_changed_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)");
  insert.Bind(NewAccountId()).Bind(static_cast<int64_t>(tenant.value()));
  insert.Bind(parsed.spelled).Bind(parsed.key).Bind(parsed.domain).Bind(hash).Bind(NowSeconds());
  POP_RETURN_IF_ERROR(insert.Run());
  POP_RETURN_IF_ERROR(transaction.Commit());
  return FindUser(address);
}

Status UserDatabase::CheckNewUser(std::string_view address) {
  POP_ASSIGN_OR_RETURN(const Address parsed, ParseAddress(address));
  POP_RETURN_IF_ERROR(TenantOfDomain(parsed.domain).status());
  POP_ASSIGN_OR_RETURN(const bool taken, AddressTaken(*connection_, parsed.key));
  return taken ? AlreadyThere(parsed) : OkStatus();
}

StatusOr<UserRecord> UserDatabase::FindUser(std::string_view address) {
  const std::string sql = std::string(kUserColumns) + " WHERE u.address_key = ?1";
  SqliteQuery query(*connection_, sql.c_str());
  POP_ASSIGN_OR_RETURN(const bool row, query.Bind(LookupKey(address)).Step());
  if (!row) return NoSuchUser(address);
  return ReadUser(query);
}

Status UserDatabase::ListUsers(std::string_view tenant,
                               const std::function<void(const UserRecord&)>& each) {
  int64_t id = 0;
  if (!tenant.empty()) {
    POP_ASSIGN_OR_RETURN(const TenantId found, TenantIdOf(tenant));
    id = static_cast<int64_t>(found.value());
  }
  const std::string sql =
      std::string(kUserColumns) + (tenant.empty() ? " ORDER BY t.name, u.address_key"
                                                  : " WHERE u.tenant = ?1 ORDER BY u.address_key");
  SqliteQuery query(*connection_, sql.c_str());
  if (!tenant.empty()) query.Bind(id);
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return OkStatus();
    each(ReadUser(query));
  }
}

Status UserDatabase::SetPasswordHash(std::string_view address, std::string_view hash) {
  POP_ASSIGN_OR_RETURN(const UserRecord user, FindUser(address));
  POP_RETURN_IF_ERROR(CheckHash(*connection_, user.tenant, hash));
  SqliteQuery update(*connection_,
                     "UPDATE users SET hash = ?1, password_changed_s = ?2 WHERE address_key = ?3");
  POP_RETURN_IF_ERROR(update.Bind(hash).Bind(NowSeconds()).Bind(LookupKey(address)).Run());
  return connection_->changes() == 0 ? NoSuchUser(address) : OkStatus();
}

StatusOr<bool> UserDatabase::ReplaceHash(std::string_view key, std::string_view old_hash,
                                         std::string_view hash) {
  POP_RETURN_IF_ERROR(CheckStoredHash(hash));
  SqliteQuery update(*connection_,
                     "UPDATE users SET hash = ?1 WHERE address_key = ?2 AND hash = ?3");
  POP_RETURN_IF_ERROR(update.Bind(hash).Bind(key).Bind(old_hash).Run());
  return connection_->changes() > 0;
}

Status UserDatabase::SetUserEnabled(std::string_view address, bool enabled) {
  SqliteQuery update(*connection_, "UPDATE users SET enabled = ?1 WHERE address_key = ?2");
  POP_RETURN_IF_ERROR(update.Bind(enabled ? 1 : 0).Bind(LookupKey(address)).Run());
  return connection_->changes() == 0 ? NoSuchUser(address) : OkStatus();
}

Status UserDatabase::SetUserPop3(std::string_view address, bool allowed) {
  SqliteQuery update(*connection_, "UPDATE users SET pop3 = ?1 WHERE address_key = ?2");
  POP_RETURN_IF_ERROR(update.Bind(allowed ? 1 : 0).Bind(LookupKey(address)).Run());
  return connection_->changes() == 0 ? NoSuchUser(address) : OkStatus();
}

Status UserDatabase::RenameUser(std::string_view address, std::string_view new_address) {
  POP_ASSIGN_OR_RETURN(const Address parsed, ParseAddress(new_address));
  const std::string old_key = LookupKey(address);
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const UserRecord user, FindUser(address));
  POP_ASSIGN_OR_RETURN(const TenantId tenant, TenantOfDomain(parsed.domain));
  if (tenant != user.tenant) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      "the domain " + parsed.domain +
                          " belongs to another tenant: mail does not "
                          "move between tenants");
  }
  if (parsed.key != old_key) {
    POP_ASSIGN_OR_RETURN(const bool taken, AddressTaken(*connection_, parsed.key));
    if (taken) return AlreadyThere(parsed);
  }
  SqliteQuery update(*connection_,
                     "UPDATE users SET address = ?1, address_key = ?2, domain = ?3 "
                     "WHERE address_key = ?4");
  update.Bind(parsed.spelled).Bind(parsed.key).Bind(parsed.domain).Bind(old_key);
  POP_RETURN_IF_ERROR(update.Run());
  return transaction.Commit();
}

Status UserDatabase::RemoveUser(std::string_view address) {
  SqliteQuery erase(*connection_, "DELETE FROM users WHERE address_key = ?1");
  POP_RETURN_IF_ERROR(erase.Bind(LookupKey(address)).Run());
  return connection_->changes() == 0 ? NoSuchUser(address) : OkStatus();
}

}  // namespace poplar::auth
