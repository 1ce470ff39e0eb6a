// One event as one line of the log, without its line end. Pure.
//
// Whatever a value holds, the line is UTF-8 and, as JSON, valid JSON, and values that differ look
// different. Escaped are quotes, backslashes, and what a terminal or a reader of lines might act
// on: controls (U+0000–U+001F, U+007F–U+009F), line separators and changes of direction
// (U+2028–U+202E, U+2066–U+2069), as `\u0085`. An octet that is part of no UTF-8 character is
// `\xff` in text. JSON has no such escape: there it is U+FFFD with the octet's two digits behind
// it, `\ufffdff`. A U+FFFD that came as such is written by its three octets, so that the character
// stands for nothing else.

#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/base/log.h"

namespace poplar::base {

// Of a value; the rest is cut off, at a character.
inline constexpr size_t kLogValueBytesMax = 256;

std::string FormatLogLine(LogFormat format, int64_t wall_us, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields);

// For a terminal: what it might act on is escaped as in the log's text. Quotes and backslashes stay
// as they are, so a text that was printable is the same.
std::string Printable(std::string_view text);

}  // namespace poplar::base
