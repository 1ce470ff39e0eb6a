// What one back end counts on one shard; written there, read by anyone.

#pragma once

#include <array>

#include "auth/service/backend.h"
#include "core/base/metrics.h"

namespace poplar::auth {

struct alignas(base::kCacheLineBytes) BackendMetrics {
  static constexpr size_t kOutcomes = static_cast<size_t>(BackendOutcome::kUnsupported) + 1;

  std::array<base::Counter, kOutcomes> answers;
  base::Counter late;
  base::Gauge waiting;
  base::Histogram answer_us;

  base::Counter& of(BackendOutcome outcome) { return answers[static_cast<size_t>(outcome)]; }
  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

}  // namespace poplar::auth
