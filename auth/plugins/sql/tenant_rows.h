// What the rows of tenant_query say of tenants: a row for each domain. Pure.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "auth/plugins/sql/driver.h"

namespace poplar::sql {

inline constexpr size_t kTenantRowsMax = 500'000;

// Each tenant as POPLAR_TENANT of auth/plugin.h has it, in the order of their first rows. Rows of
// one name are one tenant with several domains. Columns are called as they are, in any case of
// letters; NULL is as if the column were not there. A sentence in `fault`: what is wrong with all
// of it (what is wrong with one tenant, Poplar finds out).
std::vector<std::string> TenantsOf(const std::vector<Row>& rows, std::string& fault);

}  // namespace poplar::sql
