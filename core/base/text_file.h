// Reads files that somebody else writes: configuration, lists of users.

#pragma once

#include <cstdint>
#include <string>

#include "core/base/status.h"

namespace poplar::base {

// All of a file. What is no regular file is refused unread: a FIFO would hold its reader for ever,
// and a folder cannot be read. Errors are sentences for the operator, to come after the path;
// kInvalidArgument: it is another kind of file, or larger than `bytes_max`.
StatusOr<std::string> ReadTextFile(const std::string& path, uint64_t bytes_max);

}  // namespace poplar::base
