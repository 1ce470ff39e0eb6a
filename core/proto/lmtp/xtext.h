// xtext (RFC 3461 §4), how parameters carry octets that a command line cannot. Pure.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace poplar::lmtp {

// Nothing: it is no xtext, or stands for a control byte (0x00 to 0x1F, 0x7F), which would get into
// headers and logs.
std::optional<std::string> DecodeXtext(std::string_view xtext);

}  // namespace poplar::lmtp
