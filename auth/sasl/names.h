// What all mechanisms demand of user names, and what they say of a message that is not theirs.

#pragma once

#include <string_view>

#include "auth/api/sasl.h"
#include "core/base/limits.h"

namespace poplar::auth {

inline constexpr SaslMalformed kExchangeOver{"the exchange is over"};
inline constexpr SaslMalformed kUserLength{"the user name is empty or too long"};
inline constexpr SaslMalformed kNul{"there is a NUL where none belongs"};
inline constexpr SaslMalformed kOtherUser{"acting for another user is not offered"};

inline bool IsUserLength(std::string_view user) {
  return !user.empty() && user.size() <= kAddressBytesMax;
}

// Of ASCII.
bool EqualIgnoringCase(std::string_view a, std::string_view b);

inline bool HasNul(std::string_view bytes) { return bytes.find('\0') != std::string_view::npos; }

}  // namespace poplar::auth
