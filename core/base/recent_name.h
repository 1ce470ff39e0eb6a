// "recent:alice@example.org" as user name: the mail of the last days, whatever other devices have
// fetched or delete meanwhile. So several devices can have one mailbox by POP3.

#pragma once

#include <algorithm>
#include <string_view>

namespace poplar {

inline constexpr std::string_view kRecentPrefix = "recent:";

// Whether it is such a name; the prefix is taken off it then. Phones begin with a capital.
inline bool TakeRecentPrefix(std::string_view& user) {
  const bool asked =
      user.size() >= kRecentPrefix.size() &&
      std::equal(kRecentPrefix.begin(), kRecentPrefix.end(), user.begin(),
                 [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
  if (!asked) return false;
  user.remove_prefix(kRecentPrefix.size());
  return true;
}

}  // namespace poplar
