// "Did you mean …": the known word that a mistyped one is closest to. Any thread.

#pragma once

#include <span>
#include <string_view>

namespace poplar::tenant {

// Empty if none is close enough to be meant.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace poplar::tenant
