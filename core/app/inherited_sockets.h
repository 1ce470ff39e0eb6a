// Sockets that the service manager opened and hands over at the start (sd_listen_fds(3)): systemd's
// .socket units, told apart by their FileDescriptorName=: pop3, pop3s, lmtp, http. They listen
// before this process does and after it, so that connections wait while a server is replaced.

#pragma once

#include "core/base/fd.h"
#include "core/base/status.h"
#include "core/server/server.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct InheritedSockets {
  server::Server::Inherited mail;
  base::UniqueFd http;
};

// Empty where nothing was handed over. A name that is none of ours, or a socket that does not fit
// its name or the configuration, is told in a sentence. Takes them from the environment too, so
// that no child believes they are its own: once a process, before it has threads.
StatusOr<InheritedSockets> TakeInheritedSockets(const tenant::Config& config);

}  // namespace poplar::app
