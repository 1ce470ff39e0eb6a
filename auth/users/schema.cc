#include "auth/users/schema.h"

#include <array>
#include <chrono>
#include <string>
#include <thread>

namespace poplar::auth {
namespace {

// "PopU": what SQLite stores at offset 68 of the file, so that `file` and we know whose it is.
constexpr int64_t kApplicationId = 0x506f7055;

// Journal of changes: what a server that caches answers must forget. Triggers write it, so that a
// change made by hand counts too. It is cut to its last 10,000 rows; who read less far forgets all.
// An empty key stands for everybody. It is never empty.
constexpr char kVersion1[] = R"sql(
CREATE TABLE tenants (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE CHECK (length(name) > 0),
  enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  created_s INTEGER NOT NULL
) STRICT;

CREATE TABLE domains (
  name TEXT PRIMARY KEY,
  tenant INTEGER NOT NULL REFERENCES tenants (id),
  UNIQUE (name, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX domains_by_tenant ON domains (tenant);

CREATE TABLE users (
  account TEXT PRIMARY KEY,
  tenant INTEGER NOT NULL REFERENCES tenants (id),
  address TEXT NOT NULL,
  address_key TEXT NOT NULL UNIQUE,
  domain TEXT NOT NULL,
  hash TEXT NOT NULL DEFAULT '',
  enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  created_s INTEGER NOT NULL,
  password_changed_s INTEGER NOT NULL,
  FOREIGN KEY (domain, tenant) REFERENCES domains (name, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX users_by_domain ON users (domain, tenant);
CREATE INDEX users_by_tenant ON users (tenant, address_key);

CREATE TABLE removed_accounts (
  account TEXT PRIMARY KEY,
  tenant INTEGER NOT NULL,
  address TEXT NOT NULL,
  removed_s INTEGER NOT NULL,
  maildrop_dropped INTEGER NOT NULL DEFAULT 0 CHECK (maildrop_dropped IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX removed_accounts_with_maildrop ON removed_accounts (account)
  WHERE maildrop_dropped = 0;

CREATE TABLE changes (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  address_key TEXT NOT NULL
) STRICT;
INSERT INTO changes (address_key) VALUES ('');

CREATE TRIGGER accounts_never_return BEFORE INSERT ON users
  WHEN EXISTS (SELECT 1 FROM removed_accounts WHERE account = NEW.account)
  BEGIN SELECT RAISE(ABORT, 'an account id never comes back'); END;
CREATE TRIGGER accounts_are_given_once BEFORE UPDATE OF account, tenant ON users
  BEGIN SELECT RAISE(ABORT, 'an account id never changes'); END;
CREATE TRIGGER removal_is_remembered AFTER DELETE ON users
  BEGIN
    INSERT INTO removed_accounts (account, tenant, address, removed_s)
      VALUES (OLD.account, OLD.tenant, OLD.address, CAST(strftime('%s', 'now') AS INTEGER));
    INSERT INTO changes (address_key) VALUES (OLD.address_key);
  END;
CREATE TRIGGER user_change_is_told AFTER UPDATE ON users
  BEGIN
    INSERT INTO changes (address_key) VALUES (OLD.address_key);
    INSERT INTO changes (address_key)
      SELECT NEW.address_key WHERE NEW.address_key <> OLD.address_key;
  END;
CREATE TRIGGER tenant_change_is_told AFTER UPDATE ON tenants
  BEGIN INSERT INTO changes (address_key) VALUES (''); END;
CREATE TRIGGER changes_are_bounded AFTER INSERT ON changes
  BEGIN DELETE FROM changes WHERE sequence <= NEW.sequence - 10000; END;
)sql";

// Quotas and how long mail stays. Octets and messages: 0 is no limit; a user's NULL is what his
// tenant gives each maildrop. Days end at a hundred years, so that no sum of times overflows. A
// tenant or a domain that comes or goes is told by the file's version alone: what is cached counts
// only where the policies, which are read anew then, still say so.
constexpr char kVersion2[] = R"sql(
ALTER TABLE tenants ADD COLUMN quota_octets INTEGER NOT NULL DEFAULT 0
  CHECK (quota_octets >= 0);
ALTER TABLE tenants ADD COLUMN quota_messages INTEGER NOT NULL DEFAULT 0
  CHECK (quota_messages >= 0);
ALTER TABLE tenants ADD COLUMN maildrop_quota_octets INTEGER NOT NULL DEFAULT 0
  CHECK (maildrop_quota_octets >= 0);
ALTER TABLE tenants ADD COLUMN maildrop_quota_messages INTEGER NOT NULL DEFAULT 0
  CHECK (maildrop_quota_messages >= 0);
ALTER TABLE tenants ADD COLUMN keep_deleted_days INTEGER NOT NULL DEFAULT 0
  CHECK (keep_deleted_days BETWEEN 0 AND 36500);
ALTER TABLE tenants ADD COLUMN expire_days INTEGER
  CHECK (expire_days BETWEEN 1 AND 36500);
ALTER TABLE tenants ADD COLUMN expire_read_days INTEGER
  CHECK (expire_read_days BETWEEN 0 AND 36500);
ALTER TABLE users ADD COLUMN quota_octets INTEGER CHECK (quota_octets >= 0);
ALTER TABLE users ADD COLUMN quota_messages INTEGER CHECK (quota_messages >= 0);
)sql";

// Settings of tenants that are not as by default (core/base/tenant_rules.h), where a tenant comes
// from (empty: the command line).
constexpr char kVersion3[] = R"sql(
CREATE TABLE tenant_settings (
  tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  name TEXT NOT NULL CHECK (length(name) > 0),
  value TEXT NOT NULL,
  PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER tenant_setting_is_told AFTER INSERT ON tenant_settings
  BEGIN INSERT INTO changes (address_key) VALUES (''); END;
CREATE TRIGGER tenant_setting_change_is_told AFTER UPDATE ON tenant_settings
  BEGIN INSERT INTO changes (address_key) VALUES (''); END;
CREATE TRIGGER tenant_setting_removal_is_told AFTER DELETE ON tenant_settings
  BEGIN INSERT INTO changes (address_key) VALUES (''); END;
ALTER TABLE tenants ADD COLUMN source TEXT NOT NULL DEFAULT '';
)sql";

// App passwords, found by their user and id; a user's NULL is what his tenant's setting says. When
// one was used last concerns no cached answer, and is not told.
constexpr char kVersion4[] = R"sql(
ALTER TABLE users ADD COLUMN require_app_password INTEGER
  CHECK (require_app_password IN (0, 1));
CREATE TABLE app_passwords (
  account TEXT NOT NULL REFERENCES users (account) ON DELETE CASCADE,
  id TEXT NOT NULL CHECK (length(id) > 0),
  label TEXT NOT NULL CHECK (length(label) > 0),
  hash TEXT NOT NULL,
  scope TEXT NOT NULL DEFAULT 'pop3',
  networks TEXT NOT NULL DEFAULT '',
  expires_s INTEGER,
  created_s INTEGER NOT NULL,
  last_used_s INTEGER,
  PRIMARY KEY (account, id),
  UNIQUE (account, label)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER app_password_is_told AFTER INSERT ON app_passwords
  BEGIN
    INSERT INTO changes (address_key)
      SELECT address_key FROM users WHERE account = NEW.account;
  END;
CREATE TRIGGER app_password_change_is_told
  AFTER UPDATE OF account, id, label, hash, scope, networks, expires_s ON app_passwords
  BEGIN
    INSERT INTO changes (address_key)
      SELECT address_key FROM users WHERE account IN (OLD.account, NEW.account);
  END;
CREATE TRIGGER app_password_removal_is_told AFTER DELETE ON app_passwords
  BEGIN
    INSERT INTO changes (address_key)
      SELECT address_key FROM users WHERE account = OLD.account;
  END;
)sql";

// Whether a user may fetch his mail by POP3; mail comes in either way.
constexpr char kVersion5[] = R"sql(
ALTER TABLE users ADD COLUMN pop3 INTEGER NOT NULL DEFAULT 1 CHECK (pop3 IN (0, 1));
)sql";

// A change of a tenant is told with its id, beside the empty key that a server of an earlier
// version understands: only what is remembered of that tenant's users has to be forgotten.
constexpr char kVersion6[] = R"sql(
ALTER TABLE changes ADD COLUMN tenant INTEGER;
DROP TRIGGER tenant_change_is_told;
CREATE TRIGGER tenant_change_is_told AFTER UPDATE ON tenants
  BEGIN
    INSERT INTO changes (address_key, tenant) VALUES ('', OLD.id);
    INSERT INTO changes (address_key, tenant) SELECT '', NEW.id WHERE NEW.id <> OLD.id;
  END;
DROP TRIGGER tenant_setting_is_told;
CREATE TRIGGER tenant_setting_is_told AFTER INSERT ON tenant_settings
  BEGIN INSERT INTO changes (address_key, tenant) VALUES ('', NEW.tenant); END;
DROP TRIGGER tenant_setting_change_is_told;
CREATE TRIGGER tenant_setting_change_is_told AFTER UPDATE ON tenant_settings
  BEGIN
    INSERT INTO changes (address_key, tenant) VALUES ('', OLD.tenant);
    INSERT INTO changes (address_key, tenant) SELECT '', NEW.tenant WHERE NEW.tenant <> OLD.tenant;
  END;
DROP TRIGGER tenant_setting_removal_is_told;
CREATE TRIGGER tenant_setting_removal_is_told AFTER DELETE ON tenant_settings
  BEGIN INSERT INTO changes (address_key, tenant) VALUES ('', OLD.tenant); END;
)sql";

// What makes each version of the one before.
constexpr std::array<const char*, kSchemaVersion> kSteps = {kVersion1, kVersion2, kVersion3,
                                                            kVersion4, kVersion5, kVersion6};

// From the tables of `version` (0: none) to today's. REQUIRES: a transaction.
Status Upgrade(SqliteConnection& connection, int64_t version) {
  for (; version < kSchemaVersion; ++version) {
    POP_RETURN_IF_ERROR(connection.Execute(kSteps[static_cast<size_t>(version)]));
  }
  const std::string mark = "PRAGMA user_version = " + std::to_string(kSchemaVersion);
  return connection.Execute(mark.c_str());
}

// Of two processes that open an old file at once, the second finds it done.
Status UpgradeOnce(SqliteConnection& connection) {
  SqliteTransaction transaction(connection);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const int64_t version, connection.Number("PRAGMA user_version"));
  POP_RETURN_IF_ERROR(Upgrade(connection, version));
  return transaction.Commit();
}

Status Precondition(const std::string& text) {
  return MakeStatus(StatusCode::kFailedPrecondition, text);
}

// Kept in the file: readers then never wait for a writer, nor a writer for readers. Of two that
// switch at once SQLite refuses one without waiting: it might be a deadlock.
Status SwitchToWal(SqliteConnection& connection) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (true) {
    const Status status = connection.Execute("PRAGMA journal_mode = WAL");
    if (status.code() != StatusCode::kUnavailable) return status;
    if (std::chrono::steady_clock::now() > deadline) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

Status CreateSchema(SqliteConnection& connection, const std::string& path) {
  POP_RETURN_IF_ERROR(SwitchToWal(connection));
  SqliteTransaction transaction(connection);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const int64_t application, connection.Number("PRAGMA application_id"));
  if (application == kApplicationId) {
    return MakeStatus(StatusCode::kAlreadyExists, path + " is a user database already");
  }
  POP_ASSIGN_OR_RETURN(const int64_t objects,
                       connection.Number("SELECT count(*) FROM sqlite_schema"));
  if (application != 0 || objects != 0) {
    return Precondition(path + " is a database of something else");
  }
  POP_RETURN_IF_ERROR(Upgrade(connection, 0));
  const std::string mark = "PRAGMA application_id = " + std::to_string(kApplicationId);
  POP_RETURN_IF_ERROR(connection.Execute(mark.c_str()));
  return transaction.Commit();
}

Status CheckSchema(SqliteConnection& connection, const std::string& path) {
  POP_ASSIGN_OR_RETURN(const int64_t application, connection.Number("PRAGMA application_id"));
  if (application != kApplicationId) {
    return Precondition(path + " is no user database of Poplar (`poplar init` makes one)");
  }
  POP_ASSIGN_OR_RETURN(const int64_t version, connection.Number("PRAGMA user_version"));
  if (version < 1 || version > kSchemaVersion) {
    return Precondition(path + " has schema version " + std::to_string(version) +
                        ", this program knows version " + std::to_string(kSchemaVersion) +
                        ": use the program that made it, or a newer one");
  }
  return version == kSchemaVersion ? OkStatus() : UpgradeOnce(connection);
}

}  // namespace poplar::auth
