// Text as XML takes it, between tags and in attributes. Pure; any thread.

#pragma once

#include <string>
#include <string_view>

namespace poplar::setup {

// What XML 1.0 has no way to write (control characters, what is no UTF-8) becomes '?'.
std::string XmlText(std::string_view text);

// "<NAME>TEXT</NAME>", the text escaped, at this depth on a line of its own.
std::string XmlElement(int depth, std::string_view name, std::string_view text);

}  // namespace poplar::setup
