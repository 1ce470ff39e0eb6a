#include "core/ops/readiness.h"

namespace poplar::ops {

void Readiness::SetReady() {
  const std::lock_guard<std::mutex> lock(mutex_);
  reason_.reset();
}

void Readiness::SetNotReady(std::string_view reason) {
  const std::lock_guard<std::mutex> lock(mutex_);
  reason_ = reason;
}

std::optional<std::string> Readiness::WhyNotReady() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return reason_;
}

void Readiness::Register(base::MetricRegistry& registry) const {
  registry.AddComputed(
      base::MetricRegistry::Kind::kGauge, [this] { return WhyNotReady() ? 0.0 : 1.0; },
      "poplar_ready", "1: mail is served; 0: the server starts or drains.");
}

}  // namespace poplar::ops
