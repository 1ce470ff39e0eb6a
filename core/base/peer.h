// Who is at the other end of a Unix socket, by the kernel's word.

#pragma once

namespace poplar::base {

// Whether it is root or the user that this process runs as (SO_PEERCRED).
bool PeerIsTrusted(int unix_socket);

}  // namespace poplar::base
