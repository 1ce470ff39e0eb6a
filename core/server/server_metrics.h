// What the services of one shard count beside what the protocols, the network, the store and
// authentication count themselves. The shard writes, anybody reads.

#pragma once

#include "core/base/metrics.h"

namespace poplar::server {

struct alignas(base::kCacheLineBytes) ServerMetrics {
  base::Gauge pop3_connections;
  base::Gauge pop3_sessions;  // Logged in.
  base::Gauge lmtp_connections;
  base::Counter pop3_refused;  // Beyond connections_max.
  base::Counter pop3_refused_per_address;
  base::Counter lmtp_refused;
  base::Histogram login_us;   // From the credentials to the open maildrop.
  base::Histogram open_us;    // The maildrop alone.
  base::Histogram commit_us;  // QUIT to durable.
  base::Histogram body_us;  // RETR or TOP, from the command to the last byte handed to the kernel.
  base::Histogram delivery_us;  // The end of DATA to durable for all recipients.
  base::Counter lease_conflicts;
  base::Counter lease_waits;  // Log-ins that waited for a close under way.
  base::Counter messages_sent;
  base::Counter message_octets_sent;
  base::Counter bodies_failed;
  base::Counter bodies_cut;  // After +OK: the connection was closed without the terminator.
  base::Counter messages_deleted;
  base::Counter commits_failed;

  // REQUIRES: this object outlives the registry's last reader.
  void Register(base::MetricRegistry& registry) const;
};

}  // namespace poplar::server
