#include "core/base/utf8.h"

#include <algorithm>

namespace poplar::base {
namespace {

constexpr size_t kCharacterBytesMax = 4;

}  // namespace

Utf8Character FirstUtf8(std::string_view text) {
  if (text.empty()) return {};
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : kCharacterBytesMax;
  if (lead < 0xc2 || lead > 0xf4 || bytes > text.size()) return {};
  uint32_t point = lead & (0x7fU >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    point = (point << 6) | (next & 0x3fU);
  }
  if ((bytes == 3 && point < 0x800) || (bytes == 4 && point < 0x10000)) return {};
  if ((point >= 0xd800 && point < 0xe000) || point > 0x10ffff) return {};
  return {point, bytes};
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = FirstUtf8(text).bytes;
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string_view Utf8Prefix(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  for (size_t inside = 1; inside < std::min(kCharacterBytesMax, bytes_max + 1); ++inside) {
    const size_t start = bytes_max - inside;
    if (FirstUtf8(text.substr(start)).bytes > inside) return text.substr(0, start);
  }
  return text.substr(0, bytes_max);
}

}  // namespace poplar::base
