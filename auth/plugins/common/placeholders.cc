#include "auth/plugins/common/placeholders.h"

#include <algorithm>
#include <array>
#include <utility>

namespace poplar::plugins {
namespace {

struct Utf8Length {
  size_t octets;
  uint32_t least;  // Below it the character has a shorter form.
  uint32_t bits;   // Of the first octet.
};

std::optional<Utf8Length> LengthOf(uint8_t first) {
  if (first < 0x80) return Utf8Length{1, 0, first};
  if ((first & 0xe0) == 0xc0) return Utf8Length{2, 0x80, first & 0x1fU};
  if ((first & 0xf0) == 0xe0) return Utf8Length{3, 0x800, first & 0x0fU};
  if ((first & 0xf8) == 0xf0) return Utf8Length{4, 0x10000, first & 0x07U};
  return std::nullopt;
}

}  // namespace

std::optional<Placeholder> PlaceholderAt(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, LoginPart>, 3> kParts = {
      {{"%{login}", LoginPart::kLogin},
       {"%{local}", LoginPart::kLocal},
       {"%{domain}", LoginPart::kDomain}}};
  const auto* const found =
      std::ranges::find_if(kParts, [text](const auto& one) { return text.starts_with(one.first); });
  if (found == kParts.end()) return std::nullopt;
  return Placeholder{.part = found->second, .octets = found->first.size()};
}

std::optional<std::string_view> PartOf(std::string_view login, LoginPart part) {
  const size_t at = login.rfind('@');
  std::string_view value = login;
  if (part == LoginPart::kLocal) value = login.substr(0, at);
  if (part == LoginPart::kDomain) {
    value = at == std::string_view::npos ? std::string_view() : login.substr(at + 1);
  }
  if (value.empty()) return std::nullopt;
  return value;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const std::optional<Utf8Length> length = LengthOf(static_cast<uint8_t>(text[i]));
    if (!length.has_value() || length->octets > text.size() - i) return false;
    uint32_t character = length->bits;
    for (size_t j = 1; j < length->octets; ++j) {
      const auto octet = static_cast<uint8_t>(text[i + j]);
      if ((octet & 0xc0) != 0x80) return false;
      character = character << 6 | (octet & 0x3f);
    }
    const bool surrogate = character >= 0xd800 && character <= 0xdfff;
    if (character < length->least || character > 0x10ffff || surrogate) return false;
    i += length->octets;
  }
  return true;
}

}  // namespace poplar::plugins
