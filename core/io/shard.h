// Shards: one pinned thread and reactor a core, and the messages between them. Nothing else is
// shared: what crosses is a ShardRequest or immutable.
//
// A request is a field (or an owned object) of its source. It carries what it asks and has room for
// the reply, so a reply can never be refused. Each source has kCreditsPerPair requests under way at
// each target at most; more wait at the source, in order, until their deadline. Handlers never
// issue a request of their own before they reply, so bounded queues cannot deadlock. Requests to
// one's own shard take the same path without the queue.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/base/ids.h"
#include "core/base/status.h"
#include "core/io/reactor.h"
#include "core/io/work.h"

namespace poplar::io {

class Shard;
class ShardSet;

inline constexpr uint32_t kCreditsPerPair = 1024;

class ShardRequest {
 public:
  ShardRequest() = default;
  ShardRequest(const ShardRequest&) = delete;
  ShardRequest& operator=(const ShardRequest&) = delete;
  // Checks that the request is not under way.
  virtual ~ShardRequest();

  bool under_way() const { return under_way_; }

 protected:
  // On the target. Leads, now or later, to exactly one Reply on the same shard.
  virtual void Execute(Shard& target) = 0;
  // On the source, after Reply: the request may be used again or destroyed from here on.
  virtual void Completed() = 0;
  // On the source: no credit came free before the deadline; the target never saw it.
  virtual void Expired() = 0;

  // On the target, once. The request belongs to its source again: do not touch it afterwards.
  void Reply();

 private:
  friend class Shard;

  ShardRequest* next_ = nullptr;
  ShardIndex source_{0};
  ShardIndex target_{0};
  ShardSet* shards_ = nullptr;
  uint64_t deadline_us_ = 0;
  bool under_way_ = false;
};

class Shard {
 public:
  ShardIndex index() const { return index_; }
  Reactor& reactor() { return *reactor_; }
  ShardSet& shards() { return *shards_; }
  // The shard of the calling thread, or null.
  static Shard* Current();

  // Sends `request` to `target`; it must stay until Completed or Expired. On this shard's thread.
  void Send(ShardIndex target, ShardRequest& request, uint64_t deadline_ms = 5'000);

 private:
  ShardIndex index_{0};
  std::unique_ptr<Reactor> reactor_;
  ShardSet* shards_ = nullptr;
};

struct ShardSetOptions {
  uint32_t count = 0;  // 0: one for each core that affinity and the cgroup's CPU quota grant.
  bool pin = true;
  ReactorOptions reactor;
};

class ShardSet {
 public:
  // Starts the threads; each has its ring when this returns. Fails with the probe's sentence.
  static StatusOr<std::unique_ptr<ShardSet>> Start(const ShardSetOptions& options);
  // Stops and joins. REQUIRES: nothing is in flight on any shard.
  ~ShardSet();

  uint32_t count() const;
  Shard& shard(ShardIndex index);
  // Runs `step` on the thread of one shard, and waits until it returns. For start-up and shut-down,
  // from a thread that is no shard's.
  void RunOn(ShardIndex index, const std::function<void(Shard&)>& step);
  void RunOnEach(const std::function<void(Shard&)>& step);
};

// Cores that affinity and the cgroup's CPU quota (v1 or v2) grant this process, at least 1.
uint32_t GrantedCores();

}  // namespace poplar::io
