// The places that text of the configuration has for parts of a login name: `%{login}`, `%{local}`
// (what stands before its last `@`), `%{domain}`. Pure.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace poplar::plugins {

enum class LoginPart : uint8_t { kLogin, kLocal, kDomain };

struct Placeholder {
  LoginPart part;
  size_t octets;  // Of itself.
};

// The one that `text` begins with.
std::optional<Placeholder> PlaceholderAt(std::string_view text);

// nullopt: the login name has no such part, so that nobody can be found by it.
std::optional<std::string_view> PartOf(std::string_view login, LoginPart part);

// Well-formed UTF-8 (RFC 3629). Nothing else is a name in a directory or database.
bool IsUtf8(std::string_view text);

}  // namespace poplar::plugins
