// What back ends give as the reason where they refuse, and another password of the same kind would
// not help: `poplar doctor` tells by it what does. Plug-ins, which see no header of ours, write the
// same words.

#pragma once

#include <string_view>

namespace poplar::auth {

inline constexpr std::string_view kOnlyAppPasswords = "only app passwords are taken";
inline constexpr std::string_view kNoPasswordIsSet = "no password is set";
// Anywhere in it.
inline constexpr std::string_view kLocked = "locked";
// It begins so; then comes which one, and why it is not taken.
inline constexpr std::string_view kTheAppPassword = "the app password \"";

}  // namespace poplar::auth
