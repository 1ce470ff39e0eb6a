// Threads for what must not run on a reactor: password hashing (a niced CPU pool) and file-system
// calls that wait for the journal (a disk pool). The queue is bounded, and fair between keys
// (tenants): each key has a queue of its own and the pool serves them in turn.
//
// A job is a field of its owner, who outlives it. Submit belongs to shard threads; Work runs on a
// pool thread; Done on the shard that submitted.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/metrics.h"
#include "core/io/reactor.h"
#include "core/io/work.h"

namespace poplar::io {

class OffloadJob {
 public:
  OffloadJob();
  OffloadJob(const OffloadJob&) = delete;
  OffloadJob& operator=(const OffloadJob&) = delete;
  virtual ~OffloadJob();

 protected:
  virtual void Work() = 0;
  virtual void Done() = 0;

 private:
  friend class OffloadPool;
  void RunDone() { Done(); }

  Reactor* home_ = nullptr;
  bool pending_ = false;
  io::WorkFor<&OffloadJob::RunDone> done_{this};
};

struct OffloadPoolOptions {
  std::string name;  // Of its threads and metrics: "hash", "disk".
  uint32_t threads = 1;
  int nice = 0;
  uint32_t queued_max = 1024;  // Over all keys.
  uint32_t queued_max_per_key = 256;
};

class OffloadPool {
 public:
  explicit OffloadPool(const OffloadPoolOptions& options);
  // Finishes what is queued and joins.
  ~OffloadPool();

  // False when the pool's or the key's queue is full: the caller answers "temporary". Otherwise
  // Done follows.
  [[nodiscard]] bool Submit(Reactor& home, uint64_t key, OffloadJob& job);

  // Any thread.
  uint64_t queued() const;
  void Register(base::MetricRegistry& registry) const;
};

}  // namespace poplar::io
