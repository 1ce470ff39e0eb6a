#include "bench/load/run.h"

#include <sys/resource.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "bench/load/worker.h"

namespace poplar::load {
namespace {

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// What is read at both ends of the window.
struct Reading {
  uint64_t time_ns = 0;
  double client_cpu_seconds = 0;
  std::optional<CpuTime> server_cpu;
};

StatusOr<Reading> Read(const Options& options) {
  Reading reading;
  if (!options.server_cgroup.empty()) {
    POP_ASSIGN_OR_RETURN(reading.server_cpu, CgroupCpu(options.server_cgroup));
  } else if (!options.server_pids.empty()) {
    POP_ASSIGN_OR_RETURN(reading.server_cpu, ProcessTreeCpu(options.server_pids));
  }
  reading.client_cpu_seconds = OwnCpuSeconds();
  reading.time_ns = MonotonicNs();
  return reading;
}

// Waits until all workers have ended, or `seconds` have passed.
void WaitFor(RunState* state, double seconds) {
  std::unique_lock lock(state->mutex);
  state->worker_ended.wait_for(lock, std::chrono::duration<double>(seconds),
                               [state] { return state->workers_running == 0; });
}

// A short window and a slow disk are no failure: the window goes on until one operation has been
// completed, or until even a patient client would have given up.
void WaitForAny(const Options& options, RunState* state) {
  constexpr uint64_t kStepMs = 20;
  auto running = [state] {
    std::lock_guard lock(state->mutex);
    return state->workers_running > 0;
  };
  for (uint64_t waited_ms = 0; waited_ms < options.timeout_ms; waited_ms += kStepMs) {
    if (state->measured.load() || !running()) return;
    WaitFor(state, static_cast<double>(kStepMs) / 1e3);
  }
}

// Warm-up, then the measured window, then the end of all clients.
StatusOr<std::pair<Reading, Reading>> Measure(const Options& options, RunState* state) {
  WaitFor(state, options.warmup_seconds);
  StatusOr<Reading> before = Read(options);
  Phase warm = Phase::kWarmup;
  state->phase.compare_exchange_strong(warm, Phase::kMeasuring);  // unless errors ended the run
  WaitFor(state, options.seconds);
  WaitForAny(options, state);
  state->phase.store(Phase::kEnding);
  StatusOr<Reading> after = Read(options);
  if (!before.ok()) return before.status();
  if (!after.ok()) return after.status();
  return std::pair(*before, *after);
}

}  // namespace

StatusOr<RunResult> RunLoad(const Options& options) {
  RunState state;
  state.workers_running = options.threads;
  if (options.warmup_seconds == 0) state.phase.store(Phase::kMeasuring);
  POP_RETURN_IF_ERROR(Read(options).status());

  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  StatusOr<Reading> first = Read(options);
  for (uint32_t i = 0; i < options.threads; ++i) {
    workers.push_back(std::make_unique<Worker>(&options, &state));
    threads.emplace_back([worker = workers.back().get(), i, &state] {
      worker->Run(i);
      std::lock_guard lock(state.mutex);
      --state.workers_running;
      state.worker_ended.notify_all();
    });
  }
  StatusOr<std::pair<Reading, Reading>> window = Measure(options, &state);
  for (std::thread& thread : threads) thread.join();
  if (!window.ok()) return window.status();

  auto& [before, after] = *window;
  if (options.warmup_seconds == 0) before = *first;
  RunResult result;
  for (const auto& worker : workers) result.meter.Merge(*worker->meter());
  result.seconds = static_cast<double>(after.time_ns - before.time_ns) / 1e9;
  result.client_cpu_seconds = after.client_cpu_seconds - before.client_cpu_seconds;
  if (before.server_cpu && after.server_cpu) {
    const CpuTime& from = *before.server_cpu;
    const CpuTime& to = *after.server_cpu;
    result.server_cpu = CpuTime{.user_us = to.user_us - from.user_us,
                                .system_us = to.system_us - from.system_us,
                                .total_us = to.total_us - from.total_us};
  }
  return result;
}

}  // namespace poplar::load
