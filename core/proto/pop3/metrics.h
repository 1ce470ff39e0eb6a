// What sessions and their driver count. One a shard: its connections write, anybody reads.

#pragma once

#include <array>

#include "core/base/metrics.h"
#include "core/proto/pop3/command.h"
#include "core/proto/pop3/outcomes.h"

namespace poplar::pop3 {

struct alignas(base::kCacheLineBytes) SessionMetrics {
  std::array<base::Counter, kVerbs> commands;
  std::array<base::Counter, kLoginOutcomes> logins;
  base::Counter lines_too_long;
  base::Counter closed_for_failed_logins;
  base::Counter closed_for_bad_commands;
  base::Counter closed_idle;
  base::Counter closed_for_login_timeout;
  base::Counter closed_for_session_age;

  // The server ended a connection. By the driver: a session is not told of each end.
  void CountEnd(EndReason reason);
  // REQUIRES: this object outlives the registry's last reader.
  void Register(base::MetricRegistry& registry) const;
};

}  // namespace poplar::pop3
