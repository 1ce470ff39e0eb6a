// What back ends answer, folded to the door's closed sets.

#pragma once

#include <functional>
#include <string_view>

#include "auth/api/auth.h"
#include "auth/service/backend.h"

namespace poplar::auth {

// The reason of names that nobody is asked about: they are nobody's (IsLoginName).
inline constexpr std::string_view kNoLoginName = "no login name of ours";

// Too many wait.
bool WasNotAsked(const BackendAnswer& answer);

// Without having asked anybody.
AuthResult Refused(std::string_view reason);
AuthResult ToAuthResult(BackendAnswer answer);
VerifierResult ToVerifierResult(BackendAnswer answer);
ResolveResult ToResolveResult(BackendAnswer answer);

// Why a right log-in is kTemporary: whoever comes again is asked about as he is now.
inline constexpr std::string_view kChangedMeanwhile = "the user was changed while he logged in";
AuthResult ChangedMeanwhile();

using PrincipalTest = std::function<bool(const Principal&)>;

// Whether a principal has that address; `key` as LookupKey (auth/users/address.h) makes it.
bool IsAddressOf(const Principal& principal, std::string_view key);

}  // namespace poplar::auth
