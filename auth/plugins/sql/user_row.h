// What the columns of a row say of a user. Pure.

#pragma once

#include <optional>
#include <string>

#include "auth/plugins/sql/driver.h"

namespace poplar::sql {

struct UserRow {
  std::string account;
  bool disabled = false;
  bool has_password_column = false;
  // nullopt, here and below: NULL, empty, or no such column.
  std::optional<std::string> password;
  std::optional<std::string> address;
  std::optional<std::string> quota_octets;
  std::optional<std::string> quota_messages;
};

// Columns are found by their names, in any case of letters; others do not count. nullopt: `fault`
// says what is wrong with the row.
std::optional<UserRow> ReadUserRow(const Row& row, std::string& fault);

}  // namespace poplar::sql
