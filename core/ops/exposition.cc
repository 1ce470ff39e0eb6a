#include "core/ops/exposition.h"

#include <prometheus/text_serializer.h>

#include "core/ops/metric_families.h"

namespace poplar::ops {

std::string ExpositionText(const base::MetricRegistry& registry) {
  return prometheus::TextSerializer().Serialize(MetricFamilies(registry));
}

}  // namespace poplar::ops
