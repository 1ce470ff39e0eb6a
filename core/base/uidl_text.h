// A message's UIDL (RFC 1939 §7), as a listing copies it: no memory of its own, always as large.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/limits.h"

namespace poplar {

struct UidlText {
  uint8_t bytes = 0;  // 1 to kUidlBytesMax, of 0x21 to 0x7E.
  std::array<char, kUidlBytesMax> text;

  std::string_view view() const { return {text.data(), bytes}; }
};

}  // namespace poplar
