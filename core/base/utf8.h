// Whether bytes from outside are UTF-8.

#pragma once

#include <string_view>

namespace poplar::base {

// RFC 3629 §4: shortest forms only, no surrogates, nothing beyond U+10FFFF.
bool IsUtf8(std::string_view text);

}  // namespace poplar::base
