// Addresses as the user database spells and finds them.
//
// The domain is kept in lower case; the local part as it was given, but found in any case of ASCII.
// UTF-8 (RFC 6531) is taken as it comes: no normalisation, no IDNA mapping. Sub-addresses
// (`alice+lists@…`) are the protocols' business: here the whole local part counts.

#pragma once

#include <string>
#include <string_view>

#include "core/base/status.h"

namespace poplar::auth {

struct Address {
  std::string spelled;  // "Alice@example.org"
  std::string key;      // "alice@example.org": LookupKey(spelled).
  std::string domain;   // "example.org"
};

// kInvalidArgument with a sentence when `text` is no address that can be given to a user: a
// dot-string local part of at most 64 octets (RFC 5321 §4.1.2; no quoted strings), '@', a domain.
StatusOr<Address> ParseAddress(std::string_view text);

// In lower case. kInvalidArgument when `text` is no domain name: labels of letters, digits, hyphens
// and UTF-8, at most 255 octets.
StatusOr<std::string> ParseDomain(std::string_view text);

// What somebody may log in as: 1 to kAddressBytesMax octets of UTF-8, every character of which can
// be seen. Blanks, control characters and what Unicode lets be ignored are no part of a name:
// directories and collations skip them, so with them one user would have as many names as a
// stranger likes, and each name failures of its own.
bool IsLoginName(std::string_view name);

// The form that a login name or address is found by: ASCII in lower case. Takes any octets.
std::string LookupKey(std::string_view login);

// What stands behind the last @; empty where there is none.
constexpr std::string_view DomainOf(std::string_view login) {
  const size_t at = login.rfind('@');
  return at == std::string_view::npos ? std::string_view() : login.substr(at + 1);
}

}  // namespace poplar::auth
