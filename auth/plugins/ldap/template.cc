#include "auth/plugins/ldap/template.h"

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

std::optional<Template> Template::Parse(std::string_view text, Place place, std::string& fault) {
  Template parsed;
  parsed.place_ = place;
  std::string verbatim;
  while (!text.empty()) {
    if (text.front() != '%') {
      verbatim += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (text.starts_with("%%")) {
      verbatim += '%';
      text.remove_prefix(2);
      continue;
    }
    const std::optional<plugins::Placeholder> found = plugins::PlaceholderAt(text);
    if (!found.has_value()) {
      fault = "\"" + std::string(text.substr(0, 16)) +
              "\": after a percent sign comes {login}, {local}, {domain}, or another one";
      return std::nullopt;
    }
    parsed.pieces_.push_back({std::exchange(verbatim, {}), found->part});
    text.remove_prefix(found->octets);
  }
  if (!verbatim.empty()) parsed.pieces_.push_back({std::move(verbatim), std::nullopt});
  return parsed;
}

std::optional<std::string> Template::Render(std::string_view login) const {
  std::string rendered;
  for (const Piece& piece : pieces_) {
    rendered += piece.text;
    if (!piece.part.has_value()) continue;
    const std::optional<std::string_view> value = plugins::PartOf(login, *piece.part);
    if (!value.has_value()) return std::nullopt;
    rendered += place_ == Place::kFilter ? EscapeFilterValue(*value) : EscapeDnValue(*value);
  }
  return rendered;
}

}  // namespace poplar::ldap
