// What one back end in an auth host counts beside what all do, on one shard; written there, read by
// anyone.

#pragma once

#include "auth/service/backend_metrics.h"
#include "core/base/metrics.h"

namespace poplar::auth {

struct RemoteMetrics : BackendMetrics {
  base::Counter unreached;         // Asked in vain: what breakers count.
  base::Counter refused_open;      // Not asked, because a breaker was open.
  base::Gauge asked;               // That the host has, late ones too.
  base::Gauge breaker;             // 0 closed, 1 half open, 2 open.
  base::Gauge tenants_left_alone;  // Whose own breaker is not closed.

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

}  // namespace poplar::auth
