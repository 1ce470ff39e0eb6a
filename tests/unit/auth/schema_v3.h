// What made version 3 of the user database of version 1. Never edit: files of this shape are out
// there.

#pragma once

namespace poplar::auth {

inline constexpr char kSchemaV1ToV3[] = R"sql(
BEGIN;
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
PRAGMA user_version = 3;
COMMIT;
)sql";

}  // namespace poplar::auth
