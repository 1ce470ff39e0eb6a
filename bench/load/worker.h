// One thread of the load generator: a loop, its share of the clients, and what they counted. All
// methods on its own thread, but for what RunState shares.

#pragma once

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bench/load/gate.h"
#include "bench/load/loop.h"
#include "bench/load/meter.h"
#include "bench/load/open_loop.h"
#include "bench/load/options.h"
#include "bench/load/stream.h"
#include "bench/load/task.h"
#include "bench/load/tls.h"

namespace poplar::load {

// In this order; errors may end a run at any time.
enum class Phase : uint8_t {
  kGathering,  // until every client is where the run begins
  kWarmup,
  kMeasuring,
  kMeasured,  // the clients go on while the server's memory is read
  kEnding,
};

// What the threads of a run share.
struct RunState {
  // Goes from one phase to another, unless errors have ended the run.
  void Advance(Phase from, Phase to) { phase.compare_exchange_strong(from, to); }
  void BeginWindow(Phase from) {
    window_begin_ns.store(MonotonicNs());
    Advance(from, Phase::kMeasuring);
  }
  // The measured window ends now, if it has not ended before.
  void EndWindow() {
    uint64_t open = UINT64_MAX;
    window_end_ns.compare_exchange_strong(open, MonotonicNs());
  }

  std::atomic<Phase> phase{Phase::kWarmup};
  std::atomic<uint64_t> errors{0};
  std::atomic<bool> measured{false};  // an operation was completed in the measured time
  std::atomic<uint64_t> window_begin_ns{0};
  std::atomic<uint64_t> window_end_ns{UINT64_MAX};
  std::atomic<uint32_t> clients_there{0};  // that have called Gather
  std::atomic<uint64_t> gathered_ns{0};    // when the last one had

  std::mutex mutex;
  std::condition_variable worker_ended;
  uint32_t workers_running = 0;  // guarded by mutex
};

struct Operation {
  uint64_t number = 0;             // in the whole run
  uint64_t turn = 0;               // of this client
  std::optional<uint64_t> due_ns;  // with --rate

  // What its latency counts from: when it was due, or else now, when it begins.
  uint64_t StartNs() const { return due_ns ? *due_ns : MonotonicNs(); }
};

class Worker {
 public:
  // Both must outlive the worker. It plays the clients whose slot is `first_slot` modulo the number
  // of threads.
  Worker(const Options* options, RunState* state, uint32_t first_slot);

  // Returns when all clients have ended.
  void Run();

  const Options& options() const { return *options_; }
  Loop* loop() { return &loop_; }
  Meter* meter() { return &meter_; }
  const std::optional<Punctuality>& punctuality() const { return punctuality_; }
  bool ending() const { return phase() == Phase::kEnding; }

  // Where the profile gathers: this client is there, and waits until all are and the run begins, or
  // ends.
  auto Gather(uint32_t slot);
  // Bounds how many of a crowd connect and log in at a time, so that no listener's backlog
  // overflows.
  Gate* opening() { return &opening_; }

  // The client's next operation, or nothing when the run ends: std::optional<Operation>, after
  // co_await. With --rate it waits for the next operation that becomes due, else it never waits.
  // Of --operations, client s does those whose number is s modulo the number of clients, so that a
  // run touches every user evenly.
  auto NextOperation(uint32_t slot);
  // Counts an operation that took from `start_ns` to now, if the run is being measured. With
  // --rate, of one that was due in the window and is done after it, the latency only.
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
  struct Gathering;
  struct NextTurn;

  Phase phase() const { return state_->phase.load(std::memory_order_acquire); }
  Task<void> RunClient(uint32_t slot);
  void Arrive(uint32_t slot);
  // Resumes who gathers when the run begins or ends.
  void OpenGathering();
  // Whether the client has done its share of --operations.
  bool IsDone(uint32_t slot);
  uint64_t NextDue();
  bool IsDueInWindow(uint64_t due_ns) const {
    return state_->window_begin_ns.load() <= due_ns && due_ns <= state_->window_end_ns.load();
  }
  std::optional<Operation> Begin(uint32_t slot, std::optional<uint64_t> due_ns);
  void CountWhatWasNotBegun();

  const Options* const options_;
  RunState* const state_;
  const uint32_t first_slot_;
  Loop loop_;
  Gate opening_;
  TlsContext tls_;
  Meter meter_;
  std::unordered_map<uint32_t, uint64_t> turns_;  // by slot
  size_t clients_running_ = 0;

  std::unordered_set<uint32_t> there_;  // slots that have called Gather
  std::vector<std::coroutine_handle<>> gathering_;

  std::optional<Arrivals> arrivals_;  // of this thread, with --rate, once a client asked for one
  std::optional<Punctuality> punctuality_;
};

struct Worker::Gathering {
  Worker* worker;
  uint32_t slot;
  bool await_ready() const {
    worker->Arrive(slot);
    return worker->phase() != Phase::kGathering;
  }
  void await_suspend(std::coroutine_handle<> client) { worker->gathering_.push_back(client); }
  void await_resume() const {}
};

inline auto Worker::Gather(uint32_t slot) { return Gathering{this, slot}; }

struct Worker::NextTurn {
  Worker* worker;
  uint32_t slot;
  std::optional<uint64_t> due_ns = std::nullopt;
  bool await_ready() {
    if (worker->options_->rate == 0 || worker->ending() || worker->IsDone(slot)) return true;
    due_ns = worker->NextDue();
    return *due_ns <= MonotonicNs();
  }
  void await_suspend(std::coroutine_handle<> client) {
    worker->loop_.ResumeAt(*due_ns, client, true);
  }
  std::optional<Operation> await_resume() { return worker->Begin(slot, due_ns); }
};

inline auto Worker::NextOperation(uint32_t slot) { return NextTurn{this, slot}; }

}  // namespace poplar::load
