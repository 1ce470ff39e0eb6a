// What sessions and their driver count. One a shard: its connections write, anybody reads.

#pragma once

#include <array>

#include "core/base/metrics.h"
#include "core/proto/lmtp/command.h"
#include "core/proto/lmtp/outcomes.h"

namespace poplar::lmtp {

struct alignas(base::kCacheLineBytes) SessionMetrics {
  std::array<base::Counter, kVerbs> commands;
  std::array<base::Counter, kRecipientOutcomes> recipients;
  std::array<base::Counter, kDeliveryOutcomes> deliveries;
  base::Counter message_octets;  // Of messages that were committed, our own header included.
  base::Counter lines_too_long;
  base::Counter recipients_over_max;
  base::Counter messages_too_large;
  base::Counter closed_for_bad_commands;
  base::Counter closed_for_discarded_bytes;
  base::Counter closed_idle;  // By the driver: who does not read is cut without the session.

  // REQUIRES: this object outlives the registry's last reader.
  void Register(base::MetricRegistry& registry) const;
};

}  // namespace poplar::lmtp
