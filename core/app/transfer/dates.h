// When a message arrived, by what stands in it. Pure; any thread. Seconds since 1970.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace poplar::app {

// When the message behind a `From ` line of an mbox arrived; nothing where the line is none:
// `From alice@example.org Thu Jan  1 00:00:00 1970`, with a zone before or behind the year perhaps.
// Without one it is UTC.
std::optional<int64_t> ParseFromLine(std::string_view line);

// `Thu, 4 Jun 2010 12:34:56 +0200` (RFC 5322 §3.3), with or without the weekday.
std::optional<int64_t> ParseMailDate(std::string_view text);

// The date of the uppermost Received field, which the last server wrote, else of Date.
std::optional<int64_t> ReceivedByHeader(std::string_view header);

// A `From ` line's date, of 24 characters.
void AppendFromDate(int64_t second, std::string& out);

}  // namespace poplar::app
