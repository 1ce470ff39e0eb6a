// App passwords: one for each program or device that fetches a user's mail, made here, never
// chosen. Of 26 characters the first six are an id, by which the stored row is found; the other
// twenty are 100 random bits, so that a salted SHA-256 is as strong as any slow hash would be, and
// costs nothing.
//
// Any thread.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/secret.h"

namespace poplar::auth {

struct NewAppPassword {
  std::string id;
  base::Secret text;  // As it is shown: in groups, "abcdef-ghijk-mnpqr-stuvw-xyz23".
  std::string hash;   // What is stored of it.
};

NewAppPassword MakeAppPassword();

struct ParsedAppPassword {
  std::string id;
  base::Secret secret;
};

// Nothing: it does not look like one. In either case, hyphens and blanks are as one likes.
std::optional<ParsedAppPassword> ParseAppPassword(std::string_view text);

// One SHA-256.
bool IsAppPassword(std::string_view hash, const base::Secret& secret);

}  // namespace poplar::auth
