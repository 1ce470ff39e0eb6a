// The tables of the user database, and their version. Private to auth/users.

#pragma once

#include <string>

#include "auth/users/sqlite.h"
#include "core/base/status.h"

namespace poplar::auth {

inline constexpr int64_t kSchemaVersion = 6;

// Makes the tables, in one transaction. kAlreadyExists: `path` is a user database already;
// kFailedPrecondition: it holds something else.
Status CreateSchema(SqliteConnection& connection, const std::string& path);

// Brings the file of an earlier version to this one's, in one transaction. kFailedPrecondition with
// a sentence: no user database, or one of a version that this program does not know.
Status CheckSchema(SqliteConnection& connection, const std::string& path);

}  // namespace poplar::auth
