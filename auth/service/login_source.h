// What a log-in's failures are counted by, of its name and where it comes from.

#pragma once

#include <string>
#include <string_view>

#include "auth/service/keyed_hash.h"
#include "auth/service/throttle.h"

namespace poplar::auth {

// `login` as LookupKey makes it. Names count by their folded form (auth/schemes/prepared_text.h):
// directories take more spellings for one user than we do. `address` is the client's; empty: none.
LoginSource SourceOf(LoginHasher& hasher, std::string_view login, const std::string& address);

}  // namespace poplar::auth
