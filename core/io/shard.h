// Shards: one pinned thread and reactor a core, and the messages between them. Nothing else is
// shared: what crosses is a ShardRequest or immutable.
//
// A request is a field (or an owned object) of its source. It carries what it asks and has room for
// the reply, so a reply can never be refused. Each source has kCreditsPerPair requests under way at
// each target at most; more wait at the source, in order, until their deadline. Handlers never
// issue a request of their own before they reply, so bounded queues cannot deadlock. Requests to
// one's own shard take the same path without the queue.
//
// What a turn sends leaves at its end, in one batch a target, and wakes each target at most once.

#pragma once

#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/base/ids.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/io/mpsc_list.h"
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

  // From Send until Completed or Expired. On the source.
  bool under_way() const { return under_way_; }

 protected:
  // On the target. Leads, now or later, to exactly one Reply on the same shard.
  virtual void Execute(Shard& target) = 0;
  // On the source, after Reply: the request may be used again or destroyed from here on.
  virtual void Completed() = 0;
  // On the source: no credit came free before the deadline; the target never saw it. It may be
  // used again or destroyed from here on.
  virtual void Expired() = 0;

  // On the target, once. The request belongs to its source again: do not touch it afterwards.
  void Reply();

 private:
  friend class Shard;

  ShardRequest* next_ = nullptr;
  ShardIndex source_{0};
  ShardIndex target_{0};
  uint64_t deadline_us_ = 0;
  bool under_way_ = false;
  bool replied_ = false;
};

// Written by the shard's thread, read by anyone.
struct alignas(base::kCacheLineBytes) ShardMetrics {
  base::Counter requests;        // Sent, to any shard.
  base::Counter credit_waits;    // Of those, met kCreditsPerPair under way and had to wait.
  base::Counter credit_expired;  // Of those, until their deadline.
  base::Gauge waiting;

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

class Shard {
 public:
  Shard(ShardSet& shards, ShardIndex index, uint32_t count);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  ShardIndex index() const { return index_; }
  Reactor& reactor() { return *reactor_; }
  ShardSet& shards() { return *shards_; }
  const ShardMetrics& metrics() const { return metrics_; }
  // The shard of the calling thread, or null.
  static Shard* Current();

  // Sends `request` to `target`; it must stay until Completed or Expired, which never run inside
  // this call. The deadline is for the wait for a credit. On this shard's thread.
  void Send(ShardIndex target, ShardRequest& request, uint64_t deadline_ms = 5'000);

 private:
  friend class ShardRequest;
  friend class ShardSet;

  // Requests linked by next_, oldest first.
  struct Chain {
    ShardRequest* oldest = nullptr;
    ShardRequest* newest = nullptr;
  };
  // What this shard has to do with another.
  struct Peer {
    uint32_t credits = kCreditsPerPair;
    ShardRequest* outgoing_newest = nullptr;  // Linked newest first, as the mailbox takes them.
    ShardRequest* outgoing_oldest = nullptr;
    Chain waiting;
  };

  Status StartReactor(const ReactorOptions& options);
  void StartByHand(const base::Clock& clock);
  void FinishReactor();
  // By hand: in between, this shard and its reactor are the thread's current ones.
  void EnterByHand();
  void LeaveByHand();

  // Puts a request or a reply into the batch for `to`.
  void Dispatch(ShardIndex to, ShardRequest& request);
  void DeliverBatches();
  void EmptyMailbox();
  void Finish(ShardRequest& request);
  void SendWaiting(Peer& peer);
  void OnDeadline();
  void ArmDeadline(uint64_t deadline_us);

  const ShardIndex index_;
  ShardSet* const shards_;
  std::unique_ptr<Reactor> reactor_;
  std::vector<Peer> peers_;
  std::vector<ShardIndex> batched_;  // Peers with something outgoing.
  std::unique_ptr<Timer> deadline_timer_;
  uint64_t deadline_us_ = 0;  // What the timer is armed for; 0: not armed.
  WorkFor<&Shard::DeliverBatches> deliver_{this};
  ShardMetrics metrics_;

  // For every shard.
  alignas(base::kCacheLineBytes) MpscList<ShardRequest, &ShardRequest::next_> mailbox_;
  WorkFor<&Shard::EmptyMailbox> empty_mailbox_{this};
};

// One thread drives all shards: a simulator's, in the order that it chooses.
struct ByHandOptions {
  uint32_t count = 1;
  const base::Clock* clock = nullptr;  // Outlives the set.
  // Lets something happen: called again and again where a set with threads would wait.
  std::function<void()> progress;
};

struct ShardSetOptions {
  uint32_t count = 0;  // 0: one for each core that affinity and the cgroup's CPU quota grant.
  bool pin = true;
  ReactorOptions reactor = {};
};

class ShardSet {
 public:
  // Starts the threads; each has its ring when this returns. Fails with the probe's sentence.
  static StatusOr<std::unique_ptr<ShardSet>> Start(const ShardSetOptions& options);
  // Shards without threads and rings (Reactor, by hand). All else is as ever; the thread that calls
  // is the one of all of them, each while it has its turn.
  static std::unique_ptr<ShardSet> ByHand(const ByHandOptions& options);
  ShardSet(const ShardSet&) = delete;
  ShardSet& operator=(const ShardSet&) = delete;
  // Stops and joins. REQUIRES: nothing is in flight on any shard, and no other thread posts to one
  // any more (offload pools end before).
  ~ShardSet();

  uint32_t count() const { return static_cast<uint32_t>(shards_.size()); }
  Shard& shard(ShardIndex index) { return *shards_[index.value()]; }
  // Runs `step` on the thread of one shard, and waits until it returns. For start-up and shut-down,
  // from a thread that is no shard's and in no reactor's turn.
  void RunOn(ShardIndex index, const std::function<void(Shard&)>& step);
  void RunOnEach(const std::function<void(Shard&)>& step);
  // Waits, looking now and then, until `condition` is true. From where RunOn may be called.
  void WaitUntil(const std::function<bool()>& condition);

  // --- By hand.
  // Gives the shard one turn.
  void Turn(ShardIndex index);
  // Whether a turn now would find something to do.
  bool HasWork(ShardIndex index) const { return shards_[index.value()]->reactor_->HasWork(); }

  void Register(base::MetricRegistry& registry) const;

 private:
  explicit ShardSet(uint32_t count);
  bool by_hand() const { return progress_ != nullptr; }
  void RunShard(Shard& shard, const ShardSetOptions& options, int cpu, Status& started);

  std::vector<std::unique_ptr<Shard>> shards_;
  std::function<void()> progress_;  // By hand only.
  std::vector<std::thread> threads_;
  std::latch started_;
  // No reactor ends while another thread may still wake it.
  std::latch stopped_;
};

// Cores that affinity and the cgroup's CPU quota (v1 or v2) grant this process, at least 1.
uint32_t GrantedCores();

}  // namespace poplar::io
