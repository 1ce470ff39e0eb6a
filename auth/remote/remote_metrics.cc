#include "auth/remote/remote_metrics.h"

namespace poplar::auth {

void RemoteMetrics::Register(base::MetricRegistry& registry,
                             const base::MetricLabels& labels) const {
  BackendMetrics::Register(registry, labels);
  registry.Add(unreached, "poplar_backend_unreached_total",
               "Questions for which nobody was reached, or that nobody answered in time.", labels);
  registry.Add(asked, "poplar_backend_asked",
               "Questions that its process has now, those too that nobody waits for any more.",
               labels);
  registry.Add(refused_open, "poplar_backend_not_asked_total",
               "Questions that were not asked because it had failed too often.", labels);
  registry.Add(breaker, "poplar_backend_breaker",
               "0: it is asked; 1: one question tries it; 2: it is left alone.", labels);
  registry.Add(tenants_left_alone, "poplar_backend_tenants_left_alone",
               "Tenants whose questions alone fail, and are not asked for a while.", labels);
}

}  // namespace poplar::auth
