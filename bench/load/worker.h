// One thread of the load generator: a loop, its share of the clients, and what they counted. All
// methods on its own thread, but for what RunState shares.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/load/loop.h"
#include "bench/load/meter.h"
#include "bench/load/options.h"
#include "bench/load/stream.h"
#include "bench/load/task.h"
#include "bench/load/tls.h"

namespace poplar::load {

enum class Phase : uint8_t { kWarmup, kMeasuring, kEnding };

// What the threads of a run share.
struct RunState {
  std::atomic<Phase> phase{Phase::kWarmup};
  std::atomic<uint64_t> errors{0};
  std::atomic<bool> measured{false};  // an operation was completed in the measured time

  std::mutex mutex;
  std::condition_variable worker_ended;
  uint32_t workers_running = 0;  // guarded by mutex
};

struct Operation {
  uint64_t number = 0;  // in the whole run
  uint64_t turn = 0;    // of this client
};

class Worker {
 public:
  // Both must outlive the worker.
  Worker(const Options* options, RunState* state);

  // Plays the clients whose slot is `first_slot` modulo the number of threads. Returns when all
  // have ended.
  void Run(uint32_t first_slot);

  const Options& options() const { return *options_; }
  Loop* loop() { return &loop_; }
  Meter* meter() { return &meter_; }

  // The client's next operation, or nothing when the run ends. Of --operations, client s does those
  // whose number is s modulo the number of clients, so that a run touches every user evenly.
  std::optional<Operation> NextOperation(uint32_t slot);
  // Counts an operation that took from `start_ns` to now, if the run is being measured.
  void Record(std::string_view operation, uint64_t start_ns, uint64_t octets = 0);
  // Counts an error, whatever the phase.
  void RecordError(const Status& error);

  std::string UserName(uint64_t user) const;
  // The users of one client, in turns: no two clients have one in common.
  uint64_t UserNumberOfSlot(uint32_t slot, uint64_t turn) const;
  std::string UserOfSlot(uint32_t slot, uint64_t turn) const {
    return UserName(UserNumberOfSlot(slot, turn));
  }

  StreamOptions stream_options() const { return {.timeout_ms = options_->timeout_ms}; }
  // Connects, greets, and secures the connection as the options say.
  Task<Status> OpenPop3(Stream* stream, TlsTicket* ticket);
  // Connects, and shakes hands where the options say so.
  Task<Status> OpenHttp(Stream* stream, TlsTicket* ticket);

 private:
  Task<void> RunClient(uint32_t slot);

  const Options* const options_;
  RunState* const state_;
  Loop loop_;
  TlsContext tls_;
  Meter meter_;
  std::unordered_map<uint32_t, uint64_t> turns_;  // by slot
  size_t clients_running_ = 0;
};

}  // namespace poplar::load
