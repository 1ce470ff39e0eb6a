// Networks that a client may come from, as a list: "192.0.2.0/24,2001:db8::/32,198.51.100.7", each
// as core/base/ip.h reads it. Pure; any thread.

#pragma once

#include <cstddef>
#include <string_view>

#include "core/base/status.h"

namespace poplar::auth {

inline constexpr size_t kNetworksBytesMax = 256;

// kInvalidArgument with a sentence: what is no network. An empty list is fine.
Status CheckNetworks(std::string_view networks);

// False also for what is no address.
bool InNetworks(std::string_view networks, std::string_view address);

}  // namespace poplar::auth
