// Which program listens at an address of this machine, by /proc, without a connection to it: that
// would wake a server that waits for one behind systemd's socket. One thread.

#pragma once

#include <optional>
#include <string>

#include "core/tenant/listen_address.h"

namespace poplar::app {

struct PortHolder {
  std::string program;  // Empty: it is another user's, and who asks may not see it.
  int pid = 0;

  // It opened the socket for a service, and who connects waits there.
  bool is_systemd() const { return program == "systemd"; }
};

// Nothing: nobody listens there. Of several, systemd where it is one.
std::optional<PortHolder> HolderOf(const tenant::ListenAddress& address);

}  // namespace poplar::app
