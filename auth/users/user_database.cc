#include "auth/users/user_database.h"

#include <utility>

#include "auth/users/address.h"
#include "auth/users/policy_columns.h"
#include "auth/users/schema.h"
#include "auth/users/sqlite.h"

namespace poplar::auth {
namespace {

SqliteOptions ToSqlite(const UserDatabaseOptions& options) {
  return {.create = false, .busy_timeout_ms = options.busy_timeout_ms};
}

}  // namespace

UserDatabase::UserDatabase(std::unique_ptr<SqliteConnection> connection,
                           const UserDatabaseOptions& options)
    : options_(options), connection_(std::move(connection)) {}

UserDatabase::~UserDatabase() = default;

StatusOr<std::unique_ptr<UserDatabase>> UserDatabase::Create(const std::string& path,
                                                             const UserDatabaseOptions& options) {
  POP_RETURN_IF_ERROR(MakePrivateFile(path));
  {
    POP_ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(path, ToSqlite(options)));
    POP_RETURN_IF_ERROR(CreateSchema(*connection, path));
  }
  return Open(path, options);
}

StatusOr<std::unique_ptr<UserDatabase>> UserDatabase::Open(const std::string& path,
                                                           const UserDatabaseOptions& options) {
  POP_ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(path, ToSqlite(options)));
  POP_RETURN_IF_ERROR(CheckSchema(*connection, path));
  std::unique_ptr<UserDatabase> database(new UserDatabase(std::move(connection), options));
  POP_RETURN_IF_ERROR(database->StartChanges());
  return database;
}

int64_t UserDatabase::NowSeconds() const { return options_.clock->WallUs() / 1'000'000; }

Status UserDatabase::StartChanges() {
  // The version first: what is committed in between is then told twice, not lost.
  POP_ASSIGN_OR_RETURN(data_version_, connection_->Number("PRAGMA data_version"));
  POP_ASSIGN_OR_RETURN(changes_sequence_, connection_->Number("SELECT max(sequence) FROM changes"));
  return OkStatus();
}

StatusOr<UserChanges> UserDatabase::TakeChanges() {
  POP_ASSIGN_OR_RETURN(const int64_t version, connection_->Number("PRAGMA data_version"));
  UserChanges changes;
  if (version == data_version_) return changes;

  SqliteQuery query(*connection_,
                    "SELECT sequence, address_key, tenant FROM changes WHERE sequence >= ?1 "
                    "ORDER BY sequence");
  // The last one that was told is asked for again. When it is not there, the journal was cut
  // beyond it, or the file was put back to an earlier state.
  query.Bind(changes_sequence_);
  bool joined = false;
  int64_t sequence = changes_sequence_;
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) break;
    sequence = query.Number(0);
    if (sequence == changes_sequence_) {
      joined = true;
      continue;
    }
    std::string key = query.Text(1);
    if (!key.empty()) {
      changes.keys.push_back(std::move(key));
    } else if (!query.NumberOrNull(2)) {
      changes.everything = true;
    } else {
      changes.tenants.emplace(static_cast<uint64_t>(query.Number(2)));
    }
  }
  if (!joined) {
    changes.everything = changes.unknown = true;
    changes.keys.clear();
    changes.tenants.clear();
  }
  data_version_ = version;
  changes_sequence_ = sequence;
  return changes;
}

StatusOr<std::optional<LoginRecord>> UserDatabase::FindLogin(std::string_view key) {
  SqliteQuery query(*connection_,
                    "SELECT u.account, u.tenant, t.name, u.address, u.enabled, t.enabled, u.hash, "
                    "u.quota_octets, u.quota_messages, "
                    "t.maildrop_quota_octets, t.maildrop_quota_messages, "
                    "coalesce(u.require_app_password, (SELECT s.value = 'true'"
                    " FROM tenant_settings AS s"
                    " WHERE s.tenant = t.id AND s.name = 'require_app_password'), 0), "
                    "u.pop3, "
                    "coalesce((SELECT s.value = 'true' FROM tenant_settings AS s"
                    " WHERE s.tenant = t.id AND s.name = 'weak_schemes'), 0) "
                    "FROM users AS u JOIN tenants AS t ON t.id = u.tenant "
                    "WHERE u.address_key = ?1");
  POP_ASSIGN_OR_RETURN(const bool row, query.Bind(key).Step());
  if (!row) return std::optional<LoginRecord>();
  LoginRecord record;
  record.user.account = query.Text(0);
  record.user.tenant = TenantId(static_cast<uint64_t>(query.Number(1)));
  record.user.tenant_name = query.Text(2);
  record.user.address = query.Text(3);
  record.user.enabled = query.Number(4) != 0;
  record.user.tenant_enabled = query.Number(5) != 0;
  record.hash = query.Text(6);
  ReadUserQuota(query, 7, record.user);
  record.require_app_password = query.Number(11) != 0;
  record.user.pop3 = query.Number(12) != 0;
  record.weak_schemes = query.Number(13) != 0;
  return std::optional<LoginRecord>(std::move(record));
}

StatusOr<std::vector<RemovedAccount>> UserDatabase::RemovedAccounts() {
  SqliteQuery query(*connection_,
                    "SELECT tenant, account, address, removed_s FROM removed_accounts "
                    "WHERE maildrop_dropped = 0 ORDER BY account");
  std::vector<RemovedAccount> removed;
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return removed;
    removed.push_back({.tenant = TenantId(static_cast<uint64_t>(query.Number(0))),
                       .account = query.Text(1),
                       .address = query.Text(2),
                       .removed_s = query.Number(3)});
  }
}

Status UserDatabase::MarkMaildropsDropped(std::span<const std::string> accounts) {
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  for (const std::string& account : accounts) {
    SqliteQuery update(*connection_,
                       "UPDATE removed_accounts SET maildrop_dropped = 1 WHERE account = ?1");
    POP_RETURN_IF_ERROR(update.Bind(account).Run());
    if (connection_->changes() == 0) {
      return MakeStatus(StatusCode::kNotFound, "no removed account has this id");
    }
  }
  return transaction.Commit();
}

}  // namespace poplar::auth
