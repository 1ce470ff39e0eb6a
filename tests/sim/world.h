// One machine in one thread: a clock, a disk, shards, a disk pool and the store on them, moved on
// step by step in an order that the dice choose.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/io/offload_pool.h"
#include "core/io/shard.h"
#include "storage/engine/engine.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_index.h"
#include "tests/sim/trace.h"

namespace poplar::sim {

class SimClock final : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return now_us_; }
  int64_t WallUs() const override { return wall_us_ + static_cast<int64_t>(now_us_); }
  void SleepUs(uint64_t us) const override { now_us_ += us; }
  // Each measurement finds as much.
  uint64_t ThreadCpuUs() const override { return cpu_us_ += slice_cpu_us_; }
  void set_slice_cpu_us(uint64_t us) { slice_cpu_us_ = us; }
  void Advance(uint64_t us) { now_us_ += us; }
  void StepWall(int64_t us) { wall_us_ += us; }

 private:
  int64_t wall_us_ = 1'700'000'000'000'000;
  uint64_t slice_cpu_us_ = 50;
  mutable uint64_t cpu_us_ = 0;
  mutable uint64_t now_us_ = 1'000'000;
};

class World {
 public:
  // `stuck` is called when something waits for ever, and does not return.
  using Stuck = std::function<void(const std::string& what)>;

  World(const SimDiskOptions& disk, Dice* dice, Trace* trace, Stuck stuck);
  ~World();

  SimDisk& disk() { return disk_; }
  const SimDisk& disk() const { return disk_; }
  SimIndexEngine& index_engine() { return index_engine_; }
  SimClock& clock() { return clock_; }
  io::ShardSet& shards() { return *shards_; }
  storage::ShardStore& StoreOn(ShardIndex shard) { return store_->OnShard(shard); }
  storage::TenantTotals TotalsOf(TenantId tenant) const { return store_->TotalsOf(tenant); }
  bool open() const { return store_ != nullptr; }

  // Told of the wall clock's day, before anybody can act on a new one.
  void set_on_day(std::function<void(uint32_t day)> told) { on_day_ = std::move(told); }
  // The sum over all partitions, of the open store.
  double Metric(const std::string& name) const;

  // Starts `shards` of them, and opens the store. After a failure nothing is left of them.
  // `pool_queued_max`: jobs that may wait for the disk pool.
  Status Open(const storage::StoreOptions& options, uint32_t shards,
              uint32_t pool_queued_max = 1024);
  // Closes the store, in order as far as the disk is there, and ends the shards.
  Status Close();

  // Of the open store, which goes on meanwhile.
  StatusOr<storage::SnapshotReport> Snapshot(const std::string& directory);

  // Something happens: a turn, the end of an operation, a job of the pool; or time passes.
  void Step();
  // Steps until `condition` holds. REQUIRES: not from a shard's turn.
  void StepUntil(const std::string& what, const std::function<bool()>& condition);

 private:
  static constexpr uint32_t kPoolThreads = 3;

  void TellDay();
  void StepOnce();
  void EndShards();
  bool AnyWork() const;

  Dice& dice_;
  Trace& trace_;
  const Stuck stuck_;
  SimClock clock_;
  SimDisk disk_;
  SimIndexEngine index_engine_;
  std::unique_ptr<io::ShardSet> shards_;
  std::unique_ptr<io::OffloadPool> pool_;
  std::vector<io::OffloadJob*> jobs_;  // That the pool's threads have taken.
  std::unique_ptr<storage::EngineStore> store_;
  bool in_step_ = false;
  std::function<void(uint32_t day)> on_day_;
  uint32_t day_ = 0;
  uint64_t idle_steps_ = 0;  // Since something happened but time.
};

}  // namespace poplar::sim
