// What one back end in an auth host counts, on one shard; written there, read by anyone.

#pragma once

#include "auth/service/backend.h"
#include "core/base/metrics.h"

namespace poplar::auth {

struct alignas(base::kCacheLineBytes) RemoteMetrics {
  static constexpr size_t kOutcomes = static_cast<size_t>(BackendOutcome::kUnsupported) + 1;

  std::array<base::Counter, kOutcomes> answers;
  base::Counter late;
  base::Counter refused_open;  // Not asked, because the breaker was open.
  base::Gauge waiting;
  base::Gauge breaker;  // 0 closed, 1 half open, 2 open.
  base::Histogram answer_us;

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

}  // namespace poplar::auth
