#include "auth/service/backend_metrics.h"

namespace poplar::auth {
namespace {

constexpr std::array<const char*, BackendMetrics::kOutcomes> kAnswerNames = {
    "ok", "unknown", "refused", "disabled", "temporary", "unsupported"};

}  // namespace

void BackendMetrics::Register(base::MetricRegistry& registry,
                              const base::MetricLabels& labels) const {
  for (size_t i = 0; i < kOutcomes; ++i) {
    base::MetricLabels with_outcome = labels;
    with_outcome.emplace_back("outcome", kAnswerNames[i]);
    registry.Add(answers[i], "poplar_backend_answers_total", "Questions to a back end, by outcome.",
                 with_outcome);
  }
  registry.Add(late, "poplar_backend_late_total", "Questions that it did not answer in time.",
               labels);
  registry.Add(waiting, "poplar_backend_waiting", "Questions that wait for it now.", labels);
  registry.Add(answer_us, 1e-6, "poplar_backend_answer_seconds",
               "Time until it answered, without the queue.", labels);
}

}  // namespace poplar::auth
