#include "auth/service/fault_log.h"

#include <utility>

#include "auth/service/backend.h"
#include "auth/service/metrics.h"
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

void CountFault(const BackendAnswer& answer, uint64_t now_us, AuthMetrics& metrics,
                FaultLog& faults) {
  if (answer.late) {
    metrics.deadlines.Add();
  } else if (answer.queue_full) {
    metrics.queue_full.Add();
  } else if (answer.outcome == BackendOutcome::kTemporary) {
    metrics.backend_failures.Add();
    faults.Note(answer.reason, now_us);
  }
}

}  // namespace poplar::auth
