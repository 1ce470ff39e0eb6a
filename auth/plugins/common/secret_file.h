// Files that a plug-in's settings name: keys, passwords.

#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "auth/plugins/common/secret_text.h"

namespace poplar::plugins {

// All of it; or nothing, and why. What is no regular file is refused unread: a FIFO would hold its
// reader for ever.
std::optional<SecretText> ReadSecretFile(const std::string& path, size_t bytes_max,
                                         std::string& fault);

}  // namespace poplar::plugins
