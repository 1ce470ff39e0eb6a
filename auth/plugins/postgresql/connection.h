// A connection to PostgreSQL, by libpq's calls that do not block.

#pragma once

#include <memory>
#include <string>

#include "auth/plugins/sql/driver.h"
#include "auth/plugins/sql/settings.h"

namespace poplar::postgresql {

// sql::Driver::connect.
std::unique_ptr<sql::Connection> Connect(const sql::Settings& settings, const sql::Server& server,
                                         plugins::Deadline deadline, std::string& fault);

}  // namespace poplar::postgresql
