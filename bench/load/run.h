// One run from start to report: threads, the measured window, and the server's CPU over it.

#pragma once

#include <optional>

#include "bench/load/meter.h"
#include "bench/load/options.h"
#include "bench/load/server_cpu.h"
#include "core/base/status.h"

namespace poplar::load {

struct RunResult {
  Meter meter;
  double seconds = 0;                 // of the measured window
  std::optional<CpuTime> server_cpu;  // over the window
  double client_cpu_seconds = 0;      // ours, over the window: near `seconds` a thread means that
                                      // this program was the limit
};

// Blocks until the run has ended. An error only when it could not be made: a server whose CPU
// cannot be read. What went wrong in it is in the meter.
StatusOr<RunResult> RunLoad(const Options& options);

}  // namespace poplar::load
