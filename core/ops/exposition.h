// The metric registry in Prometheus' text format. Any thread; cells go on counting meanwhile.

#pragma once

#include <string>

#include "core/base/metrics.h"

namespace poplar::ops {

inline constexpr const char* kExpositionContentType = "text/plain; version=0.0.4; charset=utf-8";

// Cells of the same name and labels are summed. A histogram's bucket i is told as `le` 2^i * scale;
// with a scale of 1 (whole things, like octets) as 2^i - 1, which is then exact.
std::string ExpositionText(const base::MetricRegistry& registry);

}  // namespace poplar::ops
