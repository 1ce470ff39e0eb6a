// Blocking questions on a pool's thread, for one shard: those of a back end that is part of the
// server, and computations of hashes.

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "auth/service/backend_call.h"
#include "auth/service/backend_metrics.h"
#include "auth/service/pending.h"
#include "core/io/offload_pool.h"
#include "core/io/reactor.h"

namespace poplar::auth {

// Asks on a pool's thread. What is asked outlives a call that could not wait for it.
class PoolAsker {
 public:
  // Runs on a pool's thread, and only if it is not too late by then. It owns all that it uses.
  using Question = absl::AnyInvocable<BackendAnswer()>;

  explicit PoolAsker(io::Reactor& reactor);
  ~PoolAsker();

  // `key`: whose turn it takes in the pool's queue.
  // What becomes of it is counted in `metrics`, if there are any, which outlive this.
  void Ask(io::OffloadPool& pool, uint64_t key, Question question, BackendCall& call,
           BackendMetrics* metrics = nullptr);
  bool idle() const { return under_way_.empty(); }

 private:
  class Job;

  io::Reactor& reactor_;
  Pending<Job> under_way_;
};

// A back end of the server's own. Passwords go to the pool for hashes, the rest to that for short
// reads.
class PoolPort final : public BackendPort {
 public:
  struct Pools {
    io::OffloadPool* hash = nullptr;
    io::OffloadPool* lookup = nullptr;
  };

  // All of these outlive it.
  PoolPort(Backend& backend, Pools pools, io::Reactor& reactor)
      : backend_(backend), pools_(pools), asker_(reactor) {}

  std::string_view name() const override { return backend_.name(); }
  Capabilities capabilities() const override { return backend_.capabilities(); }
  void Ask(BackendCall& call) override;
  bool idle() const override { return asker_.idle(); }
  void Register(base::MetricRegistry& registry) const override {
    metrics_.Register(registry, {{"backend", std::string(name())}});
  }

 private:
  Backend& backend_;
  const Pools pools_;
  BackendMetrics metrics_;
  PoolAsker asker_;
};

}  // namespace poplar::auth
