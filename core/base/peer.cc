#include "core/base/peer.h"

#include <sys/socket.h>
#include <unistd.h>

namespace poplar::base {

bool PeerIsTrusted(int unix_socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(unix_socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

}  // namespace poplar::base
