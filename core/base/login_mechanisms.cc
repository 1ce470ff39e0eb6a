#include "core/base/login_mechanisms.h"

#include <algorithm>

namespace poplar {
namespace {

// 0: not known.
uint16_t BitOf(std::string_view name) {
  const auto* const found = std::ranges::find(kLoginMechanisms, name);
  if (found == kLoginMechanisms.end()) return 0;
  return static_cast<uint16_t>(1U << (found - kLoginMechanisms.begin()));
}

}  // namespace

std::optional<LoginMechanisms> LoginMechanisms::Parse(std::string_view names) {
  if (names.empty()) return LoginMechanisms();
  LoginMechanisms parsed = None();
  while (true) {
    const size_t comma = names.find(',');
    const uint16_t bit = BitOf(names.substr(0, comma));
    if (bit == 0) return std::nullopt;
    parsed.bits_ |= bit;
    if (comma == std::string_view::npos) return parsed;
    names.remove_prefix(comma + 1);
  }
}

void LoginMechanisms::Add(std::string_view name) { bits_ |= BitOf(name); }

bool LoginMechanisms::Contains(std::string_view name) const { return (bits_ & BitOf(name)) != 0; }

std::string LoginMechanisms::Text() const {
  std::string text;
  if (bits_ == kAll) return text;
  for (const std::string_view name : kLoginMechanisms) {
    if (!Contains(name)) continue;
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

}  // namespace poplar
