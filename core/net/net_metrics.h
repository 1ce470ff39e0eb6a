// What the network counts: one struct a shard and protocol, written by the shard's thread, read by
// anyone.

#pragma once

#include "core/base/metrics.h"

namespace poplar::net {

// Bodies sent by one lane, or by parts of it.
struct LaneMetrics {
  base::Counter uses;
  base::Counter bytes;
};

struct alignas(base::kCacheLineBytes) NetMetrics {
  // Connections.
  base::Counter accepted;
  base::Counter accept_pauses;  // Out of descriptors or memory: accepting rested for a while.
  base::Gauge open;

  // Streams. Bytes as the socket carries them in; out as handed to it, before encryption.
  base::Counter bytes_in;
  base::Counter bytes_out;
  base::Counter receive_pauses;     // A client sent on while what it had sent waited.
  base::Counter receive_exhausted;  // The shard's receive buffers had run out (-ENOBUFS).
  base::Counter ends_idle;          // Ended: silent, or took too little of what it asked for.
  base::Counter ends_lost;          // Ended: the peer was probed, or timed out, and is gone.

  // RETR's lanes. A body may use several.
  LaneMetrics small;            // Copied behind its head.
  LaneMetrics sendfile;         // From the page cache by the kernel.
  LaneMetrics copy;             // Read in chunks.
  base::Counter body_failures;  // Damaged or gone after `+OK`.
  base::Counter chunk_waits;    // A read waited for a free chunk.

  // TLS handshakes by what came of them.
  base::Counter handshakes_tls12;
  base::Counter handshakes_tls13;
  base::Counter handshakes_resumed;       // Of those above.
  base::Counter handshakes_kernel_tls;    // Of those above: the kernel encrypts what is sent.
  base::Counter handshakes_failed;        // Garbage, no common version, a refused certificate.
  base::Counter handshakes_alpn_refused;  // The client named only other protocols.
  base::Counter handshakes_cut;           // The peer left, or did not finish in time.
  base::Counter server_names_own;         // The client asked for a host that has a certificate.
  base::Counter server_names_default;     // For one that has none: it got the default one.
  base::Counter server_names_refused;     // For one that could not be looked for.
  base::Counter tls_key_update_ends;      // Ended in order: kernel TLS cannot change its key.
  base::Histogram handshake_us;           // From its start to its end, waits included.

  // REQUIRES: this outlives the registry's last reader.
  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

}  // namespace poplar::net
