// Which Poplar this is.

#pragma once

#include <string_view>

namespace poplar::app {

// "0.1.0"
std::string_view Version();

}  // namespace poplar::app
