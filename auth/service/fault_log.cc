#include "auth/service/fault_log.h"

#include <utility>

#include "auth/service/backend.h"
#include "auth/service/metrics.h"
#include "core/base/log.h"

namespace poplar::auth {

bool FaultLog::Note(std::string_view backend, std::string_view reason, uint64_t now_us) {
  auto found = pauses_.find(backend);
  if (found == pauses_.end()) found = pauses_.emplace(backend, Pause{}).first;
  Pause& pause = found->second;
  if (now_us < pause.until_us) {
    ++pause.silent;
    return false;
  }
  pause.until_us = now_us + kFaultLogIntervalUs;
  base::Log(
      base::LogLevel::kWarning, "auth_backend_failed",
      {{"reason", reason}, {"backend", backend}, {"more_before", std::exchange(pause.silent, 0)}});
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
    faults.Note(answer.backend, answer.reason, now_us);
  }
}

}  // namespace poplar::auth
