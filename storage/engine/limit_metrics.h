// The store's limits as metrics, beside what comes near them.

#pragma once

#include "core/base/metrics.h"
#include "storage/engine/context.h"

namespace poplar::storage {

void RegisterLimits(const EngineContext& context, base::MetricRegistry& registry);

}  // namespace poplar::storage
