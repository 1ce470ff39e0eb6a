// Text of the configuration with places for parts of a login name, which are escaped for where they
// stand: a filter (RFC 4515) or a distinguished name (RFC 4514). Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/plugins/common/placeholders.h"

namespace poplar::ldap {

// As a value in a filter (RFC 4515 section 3): nothing in it is a wildcard or ends the value. Also
// octets that need not be, so that the outcome is printable ASCII.
std::string EscapeFilterValue(std::string_view value);
// As the value of an attribute in a distinguished name (RFC 4514 section 2.4), printable ASCII too.
std::string EscapeDnValue(std::string_view value);

class Template {
 public:
  enum class Place : uint8_t { kFilter, kDn };

  Template() = default;
  // Places are `%{login}`, `%{local}`, `%{domain}`; `%%` is a percent sign. nullopt: anything else
  // after a percent sign; `fault` is a sentence about it then.
  static std::optional<Template> Parse(std::string_view text, Place place, std::string& fault);

  // nullopt: the login name lacks a part that is asked for, so nobody can have it here.
  std::optional<std::string> Render(std::string_view login) const;
  // The same for every login name.
  bool fixed() const { return pieces_.empty() || (pieces_.size() == 1 && !pieces_[0].part); }
  bool empty() const { return pieces_.empty(); }

 private:
  struct Piece {
    std::string text;                        // Verbatim.
    std::optional<plugins::LoginPart> part;  // Behind it.
  };

  Place place_ = Place::kFilter;
  std::vector<Piece> pieces_;
};

}  // namespace poplar::ldap
