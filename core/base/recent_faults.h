// The last warnings and errors of the log, kept in memory for whoever looks at the server without
// its log, and how many there were. Kept whatever the log's level is. Memory is bounded.
//
// Any thread. Log() tells; nobody else does.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/log.h"

namespace poplar::base {

inline constexpr size_t kFaultsKept = 64;
inline constexpr size_t kFaultBytesMax = 1024;  // Of one; the rest is cut off, at a character.

// `line` as FormatLogLine makes it, as text. REQUIRES: kWarning or kError.
void RememberFault(LogLevel level, std::string_view line);

// The latest first.
std::vector<std::string> RecentFaults();
// Since the start, those that are no longer kept included.
uint64_t FaultsLogged(LogLevel level);

}  // namespace poplar::base
