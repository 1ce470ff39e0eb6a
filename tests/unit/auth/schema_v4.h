// What made version 4 of the user database of version 3. Never edit: files of this shape are out
// there.

#pragma once

namespace poplar::auth {

inline constexpr char kSchemaV3ToV4[] = R"sql(
BEGIN;
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
PRAGMA user_version = 4;
COMMIT;
)sql";

}  // namespace poplar::auth
