// What the services of one shard count beside what the protocols, the network, the store and
// authentication count themselves. The shard writes, anybody reads.

#pragma once

#include <array>
#include <string_view>

#include "core/base/metrics.h"

namespace poplar::server {

// What a connection began with that had to begin with a PROXY header.
enum class ProxyOutcome : uint8_t {
  kClient,  // It says where the client is.
  kLocal,   // The connection is the proxy's own.
  kSilent,  // Closed without an octet: somebody looked whether we listen.
  kWrong,   // No header, or a wrong one.
  kCut,     // Closed within the header.
  kLate,    // It did not come in time.
};
inline constexpr size_t kProxyOutcomes = 6;
std::string_view Name(ProxyOutcome outcome);

struct alignas(base::kCacheLineBytes) ServerMetrics {
  base::Gauge pop3_connections;
  base::Gauge pop3_sessions;  // Logged in.
  base::Gauge lmtp_connections;
  base::Counter pop3_refused;  // Beyond connections_max.
  base::Counter pop3_refused_per_address;
  base::Counter lmtp_refused;
  base::Gauge held_back;  // Connections that are about to be told of a tenant's limit.
  base::Counter held_back_total;
  std::array<base::Counter, kProxyOutcomes> proxy_headers;
  // From the command to its reply, as POP3 clients feel it.
  base::Histogram login_us;  // From the credentials to the open maildrop.
  base::Histogram open_us;   // Of that, the maildrop alone.
  base::Histogram retr_us;   // To the last byte handed to the kernel.
  base::Histogram top_us;    // The same.
  base::Histogram quit_us;   // To the durable commit.
  base::Histogram
      answer_us;  // All others, from a client's input until its replies are handed over.
  base::Histogram session_ms;      // From a POP3 log-in's connection to its end.
  base::Histogram recipient_us;    // From RCPT to what it is told.
  base::Histogram delivery_us;     // The end of DATA to durable for all recipients.
  base::Histogram egress_wait_us;  // As it was reckoned when the wait began.
  base::Counter recent_sessions;   // Of who asked for recent mail only.
  base::Counter recent_refused;    // Beyond recent_sessions_max.
  base::Counter lease_conflicts;
  base::Counter lease_waits;  // Log-ins that waited for a close under way.
  base::Counter messages_sent;
  base::Counter message_octets_sent;
  base::Counter bodies_failed;
  base::Counter bodies_cut;  // After +OK: the connection was closed without the terminator.
  base::Counter refetches;   // Sessions that fetched kOldMessagesOfRefetch old messages.
  base::Counter messages_deleted;
  base::Counter commits_failed;

  // REQUIRES: this object outlives the registry's last reader.
  void Register(base::MetricRegistry& registry) const;
};

}  // namespace poplar::server
