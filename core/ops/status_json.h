// What the status page reads: all metrics and the last faults, as one JSON object.
//
//   {"time_s": 1764…, "not_ready": "" or "starting" or "draining",
//    "metrics": {"poplar_pop3_sessions": [{"labels": {}, "value": 3}],
//                "poplar_store_flush_seconds": [{"labels": {}, "sum": 0.5, "le": […], "counts":
//                […]}]},
//    "faults": ["2026-11-23T12:26:59.683Z error …", …]}
//
// A histogram's `counts` are cumulative, as in /metrics; the last one has no `le` and is all of
// them. Of tenants only the first kStatusTenantsMax are told. Any thread.

#pragma once

#include <cstddef>
#include <string>

#include "core/base/metrics.h"
#include "core/ops/readiness.h"

namespace poplar::ops {

inline constexpr size_t kStatusTenantsMax = 20;

std::string StatusJson(const base::MetricRegistry& registry, const Readiness& readiness);

}  // namespace poplar::ops
