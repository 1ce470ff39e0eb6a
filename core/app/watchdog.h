// Tells the service manager that the server lives (WatchdogSec=), as long as every reactor turns:
// each is asked to answer, and word goes out when all have. One that hangs, or a thread that the
// kernel does not let go on, keeps the word back, and the manager ends and restarts the process.
//
// A thread of its own. Made and ended on the main thread.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "core/io/shard.h"
#include "core/io/work.h"

namespace poplar::app {

class Watchdog {
 public:
  // Null where the service manager wants no word. REQUIRES: `shards` outlive the watchdog.
  static std::unique_ptr<Watchdog> Start(io::ShardSet& shards);
  // Waits until every reactor has answered what it was asked.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  // One reactor's answer, which it gives in its next turn.
  struct Question {
    void Answer() { answered.store(true, std::memory_order_release); }

    std::atomic<bool> answered{true};
    io::WorkFor<&Question::Answer> work{this};
  };

  Watchdog(io::ShardSet& shards, std::chrono::microseconds period);
  void Run();
  void AskAll();
  bool AllAnswered() const;

  io::ShardSet& shards_;
  const std::chrono::microseconds period_;
  std::deque<Question> questions_;  // By shard.
  std::mutex mutex_;
  std::condition_variable ending_changed_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace poplar::app
