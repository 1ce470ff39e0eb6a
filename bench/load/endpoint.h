// Where a server listens. Only this machine's addresses are accepted: this program is an
// instrument for one's own servers, and must not be turned on somebody else's.

#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "core/base/status.h"

namespace poplar::load {

struct Endpoint {
  sockaddr_storage address{};
  socklen_t address_bytes = 0;

  // False until it was parsed.
  bool valid() const { return address_bytes > 0; }
  int family() const { return address.ss_family; }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&address); }
};

// "127.0.0.1:1110", "[::1]:1110", "localhost:1110" or "unix:/path". kInvalidArgument when it cannot
// be read, kPermissionDenied when the address is not one of this machine.
StatusOr<Endpoint> ParseEndpoint(std::string_view text);

}  // namespace poplar::load
