// TCP keep-alive: how soon a silent peer that is gone is noticed.

#pragma once

#include <cstdint>

namespace poplar::net {

struct Keepalive {
  int idle_s;      // Silence before the first probe.
  int interval_s;  // Between probes.
  int probes;      // Unanswered ones before the connection is given up.
};

// For every connection: a client behind a router that forgot it does not hold a session for long.
inline constexpr Keepalive kQuietKeepalive = {.idle_s = 120, .interval_s = 30, .probes = 4};
// While somebody waits to know: the kernel gives up after 2 + 4 * 2 s of silence.
inline constexpr Keepalive kProbeKeepalive = {.idle_s = 2, .interval_s = 2, .probes = 4};

// Nothing happens on a socket that is not TCP.
void SetKeepalive(int fd, const Keepalive& keepalive);

// After the probe's time: has the peer answered nothing for `silent_ms`, though TCP asked it? A
// stalled reader (closed window) is asked ever more rarely, so its silence proves nothing.
bool PeerIsSilent(int fd, uint32_t silent_ms);

// Bytes that the kernel holds for the peer: not sent, or sent and not acknowledged. 0 when unknown.
uint64_t UnacceptedBytes(int fd);

}  // namespace poplar::net
