#include "auth/remote/remote_metrics.h"

namespace poplar::auth {
namespace {

constexpr std::array<const char*, RemoteMetrics::kOutcomes> kOutcomeNames = {
    "ok", "unknown", "refused", "disabled", "temporary", "unsupported"};

}  // namespace

void RemoteMetrics::Register(base::MetricRegistry& registry,
                             const base::MetricLabels& labels) const {
  for (size_t i = 0; i < kOutcomes; ++i) {
    base::MetricLabels with_outcome = labels;
    with_outcome.emplace_back("outcome", kOutcomeNames[i]);
    registry.Add(answers[i], "poplar_backend_answers_total",
                 "Questions to a back end in an auth host, by outcome.", with_outcome);
  }
  registry.Add(late, "poplar_backend_late_total", "Questions that it did not answer in time.",
               labels);
  registry.Add(refused_open, "poplar_backend_not_asked_total",
               "Questions that were not asked because it had failed too often.", labels);
  registry.Add(waiting, "poplar_backend_waiting", "Questions that wait for it now.", labels);
  registry.Add(breaker, "poplar_backend_breaker",
               "0: it is asked; 1: one question tries it; 2: it is left alone.", labels);
  registry.Add(answer_us, 1e-6, "poplar_backend_answer_seconds",
               "Time until it answered, without the queue.", labels);
}

}  // namespace poplar::auth
