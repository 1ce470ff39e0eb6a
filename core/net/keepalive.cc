#include "core/net/keepalive.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace poplar::net {
namespace {

void SetOption(int fd, int level, int name, int value) {
  (void)setsockopt(fd, level, name, &value, sizeof(value));
}

}  // namespace

void SetKeepalive(int fd, const Keepalive& keepalive) {
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive.idle_s);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive.interval_s);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive.probes);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

bool PeerIsSilent(int fd, uint32_t silent_ms) {
  tcp_info info{};
  socklen_t bytes = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return false;
  const bool window_closed = info.tcpi_unacked == 0 && info.tcpi_notsent_bytes > 0;
  return !window_closed && info.tcpi_last_ack_recv > silent_ms;
}

uint64_t UnacceptedBytes(int fd) {
  int bytes = 0;
  if (ioctl(fd, SIOCOUTQ, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<uint64_t>(bytes);
}

}  // namespace poplar::net
