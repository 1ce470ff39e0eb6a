// Sizes and times as an operator writes them on the command line. Pure; any thread.

#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/status.h"

namespace poplar::app {

// "2GiB", "500MB", "1500000": octets. kInvalidArgument with a sentence, here and below.
StatusOr<uint64_t> ParseSize(std::string_view text);

StatusOr<uint64_t> ParseCount(std::string_view text);

// A number of days up to a hundred years.
StatusOr<uint32_t> ParseDays(std::string_view text);

// "2026-11-24" and "2026-11-24T10:00Z" (UTC), or how long before `now_s`: "90m", "2h", "3d".
// Seconds since 1970.
StatusOr<int64_t> ParseSince(std::string_view text, int64_t now_s);

// "2026-11-24" (UTC): days since 1970.
StatusOr<uint32_t> ParseDay(std::string_view text);
// The same, or how many days or weeks before `now_s`: "3d", "2w".
StatusOr<uint32_t> ParseDaySince(std::string_view text, int64_t now_s);

}  // namespace poplar::app
