// The user database as version 1 made it. Never edit: files of this shape are out there.

#pragma once

namespace poplar::auth {

inline constexpr char kSchemaV1[] = R"sql(
PRAGMA journal_mode = WAL;
BEGIN;
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
PRAGMA application_id = 1349480533;
PRAGMA user_version = 1;
COMMIT;
)sql";

}  // namespace poplar::auth
