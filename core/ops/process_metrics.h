// What Prometheus users expect of every process, read from /proc when it is asked for.

#pragma once

#include <string_view>

#include "core/base/metrics.h"

namespace poplar::ops {

// Adds process_* (memory, descriptors, CPU, start time, threads), poplar_build_info and
// poplar_log_*.
void RegisterProcessMetrics(base::MetricRegistry& registry, std::string_view version);

}  // namespace poplar::ops
