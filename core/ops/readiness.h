// Whether the server can serve mail now, and if not, why. Starts as "starting". Any thread.

#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/metrics.h"

namespace poplar::ops {

class Readiness {
 public:
  void SetReady();
  // `reason` is shown to whoever asks /readyz: "starting", "draining".
  void SetNotReady(std::string_view reason);
  // The reason; nothing while ready.
  std::optional<std::string> WhyNotReady() const;

  // REQUIRES: this object outlives the registry's last reader.
  void Register(base::MetricRegistry& registry) const;

 private:
  mutable std::mutex mutex_;
  std::optional<std::string> reason_ = "starting";
};

}  // namespace poplar::ops
