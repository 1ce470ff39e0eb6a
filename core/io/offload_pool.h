// Threads for what must not run on a reactor: password hashing (a niced CPU pool) and file-system
// calls that wait for the journal (a disk pool). The queue is bounded, and fair between keys
// (tenants): each key has a queue of its own and the pool serves them in turn.
//
// A job is a field of its owner, who outlives it. Submit belongs to shard threads and never waits
// for a pool thread; Work runs on a pool thread; Done on the shard that submitted. A pool ends
// before the reactors that submit to it, and when none does any more.

#pragma once

#include <semaphore.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/metrics.h"
#include "core/io/mpsc_list.h"
#include "core/io/reactor.h"
#include "core/io/work.h"

namespace poplar::io {

class OffloadJob {
 public:
  OffloadJob() = default;
  OffloadJob(const OffloadJob&) = delete;
  OffloadJob& operator=(const OffloadJob&) = delete;
  // Checks that the job is not pending.
  virtual ~OffloadJob();

  // From Submit until Done. On the shard that submitted.
  bool pending() const { return pending_; }

 protected:
  virtual void Work() = 0;
  // The job may be submitted again or destroyed from here on.
  virtual void Done() = 0;

 private:
  friend class OffloadPool;
  friend struct OffloadKeyQueue;

  void RunDone();

  Reactor* home_ = nullptr;
  bool pending_ = false;
  struct OffloadKeyQueue* queue_ = nullptr;
  OffloadJob* next_ = nullptr;
  uint64_t submitted_us_ = 0;
  io::WorkFor<&OffloadJob::RunDone> done_{this};
};

// A queue that is that full takes longer than anybody waits.
inline constexpr uint32_t kQueuedHardFactor = 8;

struct OffloadPoolOptions {
  std::string name;      // Of its threads and metrics: "hash", "disk".
  uint32_t threads = 1;  // 0: by hand (Take, Run).
  int nice = 0;
  uint32_t queued_max = 1024;  // Over all keys. What a thread works at does not count.
  uint32_t queued_max_per_key = 256;
  // Beyond queued_max a key with fewer jobs than this in the queue still gets another in, up to
  // kQueuedHardFactor times queued_max: who fills the queue shuts out nobody else. 0: none does.
  uint32_t queued_always_per_key = 0;
};

class OffloadPool {
 public:
  explicit OffloadPool(const OffloadPoolOptions& options);
  OffloadPool(const OffloadPool&) = delete;
  OffloadPool& operator=(const OffloadPool&) = delete;
  // Finishes what is queued and joins. The last Done may still be on its way to its shard.
  ~OffloadPool();

  // False when the pool's or the key's queue is full: the caller answers "temporary". Otherwise
  // Done follows.
  [[nodiscard]] bool Submit(Reactor& home, uint64_t key, OffloadJob& job);

  // --- By hand: a simulator's thread takes jobs, in the order in which threads would, and runs
  // them in its own. Null: none is queued. What was taken must be run.
  OffloadJob* Take();
  void Run(OffloadJob& job);

  // Any thread.
  uint64_t queued() const { return queued_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  void Register(base::MetricRegistry& registry) const;

 private:
  struct alignas(base::kCacheLineBytes) Worker {
    base::Histogram wait_us;
    base::Histogram work_us;
    base::Gauge working;  // 1 while it is at a job.
    std::thread thread;
  };
  // Keys are found without a lock; a power of two.
  static constexpr uint32_t kKeyBuckets = 4096;

  OffloadKeyQueue& FindKey(uint64_t key);
  void Serve(Worker& worker, uint32_t number);
  OffloadJob* NextJob();

  const OffloadPoolOptions options_;
  std::vector<std::unique_ptr<Worker>> workers_;

  // For shards.
  const std::unique_ptr<std::array<std::atomic<OffloadKeyQueue*>, kKeyBuckets>> keys_;
  alignas(base::kCacheLineBytes) std::atomic<uint32_t> queued_{0};
  std::atomic<uint64_t> refused_{0};
  MpscList<OffloadJob, &OffloadJob::next_> submitted_;
  sem_t tokens_;  // One a job that nobody took yet, and one a thread to end.

  // For pool threads. No shard ever waits for this lock: a niced thread may lose its core with it.
  alignas(base::kCacheLineBytes) std::mutex mutex_;
  OffloadKeyQueue* turn_first_ = nullptr;  // Keys that have jobs, in the order of their turns.
  OffloadKeyQueue* turn_last_ = nullptr;
};

}  // namespace poplar::io
