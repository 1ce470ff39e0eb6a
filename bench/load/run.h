// One run from start to report: threads, the measured window, and the server's CPU and memory over
// it.

#pragma once

#include <optional>

#include "bench/load/meter.h"
#include "bench/load/open_loop.h"
#include "bench/load/options.h"
#include "bench/load/server_cpu.h"
#include "bench/load/server_memory.h"
#include "core/base/status.h"

namespace poplar::load {

// Of profiles in which being there is the point.
struct Crowd {
  uint64_t connections = 0;
  double opening_seconds = 0;  // from the first connection until all were there
};

struct RunResult {
  Meter meter;
  double seconds = 0;                 // of the measured window
  std::optional<CpuTime> server_cpu;  // over the window
  double client_cpu_seconds = 0;      // ours, over the window: near `seconds` a thread means that
                                      // this program was the limit
  std::optional<ServerMemory> memory_before;  // before the first connection
  std::optional<ServerMemory> memory_begin;   // of the window
  std::optional<ServerMemory> memory_end;
  std::optional<Crowd> crowd;              // when all of it was there
  std::optional<Punctuality> punctuality;  // with --rate
};

// Blocks until the run has ended. An error only when it could not be made: a server whose CPU
// cannot be read, more clients than descriptors. What went wrong in it is in the meter.
StatusOr<RunResult> RunLoad(const Options& options);

}  // namespace poplar::load
