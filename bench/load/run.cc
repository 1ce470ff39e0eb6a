#include "bench/load/run.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/profile.h"
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
  std::optional<ServerMemory> memory;
};

Status ReadMemory(const Options& options, Reading* reading) {
  if (options.server_pids.empty() && options.server_cgroup.empty()) return OkStatus();
  POP_ASSIGN_OR_RETURN(reading->memory,
                       ReadServerMemory(options.server_pids, options.server_cgroup));
  return OkStatus();
}

Status ReadCpu(const Options& options, Reading* reading) {
  if (!options.server_cgroup.empty()) {
    POP_ASSIGN_OR_RETURN(reading->server_cpu, CgroupCpu(options.server_cgroup));
  } else if (!options.server_pids.empty()) {
    POP_ASSIGN_OR_RETURN(reading->server_cpu, ProcessTreeCpu(options.server_pids));
  }
  reading->client_cpu_seconds = OwnCpuSeconds();
  reading->time_ns = MonotonicNs();
  return OkStatus();
}

// Waits until all workers have ended, or `seconds` have passed.
void WaitFor(RunState* state, double seconds) {
  std::unique_lock lock(state->mutex);
  state->worker_ended.wait_for(lock, std::chrono::duration<double>(seconds),
                               [state] { return state->workers_running == 0; });
}

bool AnyoneRuns(RunState* state) {
  std::lock_guard lock(state->mutex);
  return state->workers_running > 0;
}

constexpr uint64_t kStepMs = 20;

// A short window and a slow disk are no failure: the window goes on until one operation has been
// completed, or until even a patient client would have given up.
void WaitForAny(const Options& options, RunState* state) {
  for (uint64_t waited_ms = 0; waited_ms < options.timeout_ms; waited_ms += kStepMs) {
    if (state->measured.load() || !AnyoneRuns(state)) return;
    WaitFor(state, static_cast<double>(kStepMs) / 1e3);
  }
}

// Ends: each client is there in time, or makes errors until they end the run.
void WaitForEveryone(RunState* state) {
  while (state->gathered_ns.load() == 0 && state->phase.load() != Phase::kEnding &&
         AnyoneRuns(state)) {
    WaitFor(state, static_cast<double>(kStepMs) / 1e3);
  }
}

// Memory takes a while to read (a crowd has many descriptors), and may take it from the clients'
// core: in the middle of the warm-up, so that they have caught up when the window begins.
Status WarmUp(const Options& options, RunState* state, Reading* reading) {
  WaitFor(state, options.warmup_seconds / 2);
  Status status = ReadMemory(options, reading);
  WaitFor(state, options.warmup_seconds / 2);
  return status;
}

Phase FirstPhase(const Options& options, const Profile& profile) {
  if (profile.gathers) return Phase::kGathering;
  return options.warmup_seconds > 0 ? Phase::kWarmup : Phase::kMeasuring;
}

struct Window {
  Reading before;
  Reading after;
};

// Gathering, warm-up, then the measured window, then the end of all clients. `first` was read
// before any of it.
StatusOr<Window> Measure(const Options& options, const Profile& profile, const Reading& first,
                         RunState* state) {
  Window window{.before = first, .after = {}};
  Status begun = OkStatus();
  Phase phase = FirstPhase(options, profile);
  if (phase == Phase::kGathering) {
    WaitForEveryone(state);
    if (options.warmup_seconds > 0) {
      state->Advance(phase, Phase::kWarmup);
      phase = Phase::kWarmup;
    }
  }
  if (phase == Phase::kWarmup) begun = WarmUp(options, state, &window.before);
  if (phase == Phase::kGathering) begun = ReadMemory(options, &window.before);
  if (phase != Phase::kMeasuring && begun.ok()) begun = ReadCpu(options, &window.before);
  state->BeginWindow(phase);
  WaitFor(state, options.seconds);
  if (!profile.is_crowd) WaitForAny(options, state);
  state->EndWindow();
  state->Advance(Phase::kMeasuring, Phase::kMeasured);
  Status ended = ReadCpu(options, &window.after);
  if (ended.ok()) ended = ReadMemory(options, &window.after);
  state->phase.store(Phase::kEnding);
  POP_RETURN_IF_ERROR(begun);
  POP_RETURN_IF_ERROR(ended);
  return window;
}

// Every client may need one of each server's; the rest is for threads, reports and libraries.
Status MakeRoomForDescriptors(const Options& options, const Profile& profile) {
  constexpr uint64_t kOthers = 128;
  const uint64_t each =
      (profile.needs_pop3 ? 1 : 0) + (profile.needs_lmtp ? 1 : 0) + (profile.needs_http ? 1 : 0);
  const uint64_t needed = each * options.connections + kOthers;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (needed <= limit.rlim_cur) return OkStatus();
  if (needed > limit.rlim_max) {
    return MakeStatus(
        StatusCode::kFailedPrecondition,
        "-c " + std::to_string(options.connections) + " needs " + std::to_string(needed) +
            " descriptors, and the limit is " + std::to_string(limit.rlim_max) +
            " (ulimit -Hn): at most -c " +
            std::to_string((std::max<uint64_t>(limit.rlim_max, kOthers) - kOthers) / each));
  }
  limit.rlim_cur = needed;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoStatus(errno, "setrlimit");
  return OkStatus();
}

CpuTime Difference(const CpuTime& from, const CpuTime& to) {
  return CpuTime{.user_us = to.user_us - from.user_us,
                 .system_us = to.system_us - from.system_us,
                 .total_us = to.total_us - from.total_us};
}

}  // namespace

StatusOr<RunResult> RunLoad(const Options& options) {
  const Profile& profile = *FindProfile(options.profile);
  POP_RETURN_IF_ERROR(MakeRoomForDescriptors(options, profile));
  RunState state;
  state.workers_running = options.threads;
  state.phase.store(FirstPhase(options, profile));

  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  workers.reserve(options.threads);
  threads.reserve(options.threads);
  for (uint32_t i = 0; i < options.threads; ++i) {
    workers.push_back(std::make_unique<Worker>(&options, &state, i));
  }
  Reading first;
  POP_RETURN_IF_ERROR(ReadMemory(options, &first));
  POP_RETURN_IF_ERROR(ReadCpu(options, &first));
  for (const auto& worker : workers) {
    threads.emplace_back([worker = worker.get(), &state] {
      worker->Run();
      std::lock_guard lock(state.mutex);
      --state.workers_running;
      state.worker_ended.notify_all();
    });
  }
  StatusOr<Window> window = Measure(options, profile, first, &state);
  for (std::thread& thread : threads) thread.join();
  if (!window.ok()) return window.status();

  const auto& [before, after] = *window;
  RunResult result;
  for (const auto& worker : workers) {
    result.meter.Merge(*worker->meter());
    if (!worker->punctuality()) continue;
    if (!result.punctuality) result.punctuality.emplace();
    result.punctuality->Merge(*worker->punctuality());
  }
  if (result.punctuality) result.meter.AddNotBegun(result.punctuality->not_begun_ns);
  result.seconds = static_cast<double>(after.time_ns - before.time_ns) / 1e9;
  result.client_cpu_seconds = after.client_cpu_seconds - before.client_cpu_seconds;
  result.memory_before = first.memory;
  result.memory_begin = before.memory;
  result.memory_end = after.memory;
  if (before.server_cpu && after.server_cpu) {
    result.server_cpu = Difference(*before.server_cpu, *after.server_cpu);
  }
  if (uint64_t gathered_ns = state.gathered_ns.load(); profile.is_crowd && gathered_ns > 0) {
    result.crowd = Crowd{.connections = options.connections,
                         .opening_seconds = static_cast<double>(gathered_ns - first.time_ns) / 1e9};
  }
  return result;
}

}  // namespace poplar::load
