#include "auth/plugins/ldap/template.h"

#include <algorithm>
#include <array>
#include <utility>

namespace poplar::ldap {
namespace {

void AppendHex(std::string& to, char octet) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto value = static_cast<uint8_t>(octet);
  to += '\\';
  to += kDigits[value >> 4];
  to += kDigits[value & 15];
}

bool Printable(char octet) { return octet >= 0x20 && octet < 0x7f; }

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

std::string EscapeFilterValue(std::string_view value) {
  constexpr std::string_view kSpecial = "*()\\";
  std::string escaped;
  for (const char octet : value) {
    if (Printable(octet) && kSpecial.find(octet) == std::string_view::npos) {
      escaped += octet;
    } else {
      AppendHex(escaped, octet);
    }
  }
  return escaped;
}

std::string EscapeDnValue(std::string_view value) {
  constexpr std::string_view kSpecial = "\"+,;<>\\=";
  std::string escaped;
  for (size_t i = 0; i < value.size(); ++i) {
    const char octet = value[i];
    const bool first = i == 0;
    const bool last = i + 1 == value.size();
    if (!Printable(octet)) {
      AppendHex(escaped, octet);
      continue;
    }
    if (kSpecial.find(octet) != std::string_view::npos || (octet == '#' && first) ||
        (octet == ' ' && (first || last))) {
      escaped += '\\';
    }
    escaped += octet;
  }
  return escaped;
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

std::optional<Template> Template::Parse(std::string_view text, Place place, std::string& fault) {
  constexpr std::array<std::pair<std::string_view, Part>, 3> kParts = {
      {{"%{login}", Part::kLogin}, {"%{local}", Part::kLocal}, {"%{domain}", Part::kDomain}}};
  Template parsed;
  parsed.place_ = place;
  std::string verbatim;
  while (!text.empty()) {
    if (text.front() != '%') {
      verbatim += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (text.substr(0, 2) == "%%") {
      verbatim += '%';
      text.remove_prefix(2);
      continue;
    }
    const auto* const part = std::ranges::find_if(
        kParts, [&](const auto& one) { return text.substr(0, one.first.size()) == one.first; });
    if (part == kParts.end()) {
      fault = "\"" + std::string(text.substr(0, 16)) +
              "\": after a percent sign comes {login}, {local}, {domain}, or another one";
      return std::nullopt;
    }
    parsed.pieces_.push_back({std::exchange(verbatim, {}), part->second});
    text.remove_prefix(part->first.size());
  }
  if (!verbatim.empty()) parsed.pieces_.push_back({std::move(verbatim), std::nullopt});
  return parsed;
}

std::optional<std::string> Template::Render(std::string_view login) const {
  const size_t at = login.rfind('@');
  const bool has_domain = at != std::string_view::npos;
  std::string rendered;
  for (const Piece& piece : pieces_) {
    rendered += piece.text;
    if (!piece.part.has_value()) continue;
    std::string_view value = login;
    if (*piece.part == Part::kLocal) value = login.substr(0, at);
    if (*piece.part == Part::kDomain) value = has_domain ? login.substr(at + 1) : "";
    if (value.empty()) return std::nullopt;
    rendered += place_ == Place::kFilter ? EscapeFilterValue(value) : EscapeDnValue(value);
  }
  return rendered;
}

}  // namespace poplar::ldap
