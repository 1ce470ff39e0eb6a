#include "core/net/unsent.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace poplar::net {

void LimitUnsent(int fd, uint32_t bytes_max) {
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes_max, sizeof(bytes_max));
}

}  // namespace poplar::net
