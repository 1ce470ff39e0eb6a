#include "auth/service/fault_log.h"

#include <utility>

#include "core/base/log.h"

namespace poplar::auth {

bool FaultLog::Note(std::string_view reason, uint64_t now_us) {
  if (now_us < next_us_) {
    ++silent_;
    return false;
  }
  next_us_ = now_us + kFaultLogIntervalUs;
  base::Log(base::LogLevel::kWarning, "auth_backend_failed",
            {{"reason", reason}, {"more_before", std::exchange(silent_, 0)}});
  return true;
}

}  // namespace poplar::auth
