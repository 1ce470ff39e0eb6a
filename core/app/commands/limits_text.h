// Quotas and policies as commands show them to people.

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/mail_policy.h"

namespace poplar::app {

// "2.0 GiB, 50000 messages", "no limit".
std::string QuotaText(const Quota& quota);

// Name, padded to one width, and what holds, for each: how long deleted, old and fetched mail
// stays.
std::vector<std::pair<std::string, std::string>> RetentionText(const TenantPolicy& policy);

}  // namespace poplar::app
