// Files of settings as text, and what the TOML reader says of them in our words. Private to
// core/tenant.

#pragma once

#include <string>
#include <string_view>

#include "core/base/status.h"

namespace poplar::tenant {

// All of a file of at most 1 MiB. Errors are sentences for the operator.
StatusOr<std::string> ReadTextFile(const std::string& path);

std::string SyntaxMessage(std::string_view description);

}  // namespace poplar::tenant
