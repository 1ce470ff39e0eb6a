// Bytes from outside as UTF-8 (RFC 3629 §4): shortest forms only, no surrogates, nothing beyond
// U+10FFFF.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace poplar::base {

struct Utf8Character {
  uint32_t point = 0;
  size_t bytes = 0;  // 0: there is none.
};

// The character that `text` begins with, if it begins with one.
Utf8Character FirstUtf8(std::string_view text);

bool IsUtf8(std::string_view text);

// As much of the front of `text` as has `bytes_max` bytes at most and ends within no character.
// What is no UTF-8 is cut anywhere.
std::string_view Utf8Prefix(std::string_view text, size_t bytes_max);

}  // namespace poplar::base
