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

}  // namespace poplar::ops
