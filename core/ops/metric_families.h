// The metric registry in prometheus-cpp's terms: cells of the same name and labels summed, families
// in the order of their first cell. Private to core/ops.

#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "core/base/metrics.h"

namespace poplar::ops {

std::vector<prometheus::MetricFamily> MetricFamilies(const base::MetricRegistry& registry);

}  // namespace poplar::ops
