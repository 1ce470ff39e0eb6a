#include "tests/sim/world.h"

#include <atomic>
#include <utility>

#include "core/base/check.h"
#include "core/base/metrics.h"
#include "storage/format/chunk.h"

namespace poplar::sim {
namespace {

constexpr uint64_t kStepsMax = 1'000'000;  // For one thing that somebody waits for.

}  // namespace

World::World(const SimDiskOptions& disk, Dice* dice, Trace* trace, Stuck stuck)
    : dice_(*dice),
      trace_(*trace),
      stuck_(std::move(stuck)),
      disk_(disk, dice, trace),
      index_engine_(&disk_, dice) {}

World::~World() { POP_CHECK(store_ == nullptr && shards_ == nullptr); }

Status World::Open(const storage::StoreOptions& options, uint32_t shards,
                   uint32_t pool_queued_max) {
  trace_.Note("open with " + std::to_string(shards) + " shards");
  shards_ = io::ShardSet::ByHand({shards, &clock_, [this] { Step(); }});
  io::OffloadPoolOptions pool;
  pool.name = "disk";
  pool.threads = 0;
  pool.queued_max = pool_queued_max;
  pool_ = std::make_unique<io::OffloadPool>(pool);
  storage::StoreOptions filled = options;
  filled.env = &disk_;
  filled.clock = &clock_;
  filled.index_engine = &index_engine_;
  auto opened = storage::OpenStore(filled, *shards_, *pool_);
  trace_.Note("open: " + opened.status().ToString());
  if (!opened.ok()) {
    EndShards();
    return opened.status();
  }
  store_ = std::move(*opened);
  return OkStatus();
}

Status World::Close() {
  trace_.Note("close");
  const Status status = store_->Close();
  store_.reset();
  EndShards();
  trace_.Note("close: " + status.ToString());
  return status;
}

StatusOr<storage::SnapshotReport> World::Snapshot(const std::string& directory) {
  trace_.Note("snapshot");
  // Whoever makes it is a thread of its own: between two of its calls others have their turns.
  disk_.set_before_call([this] {
    if (in_step_ || io::Reactor::Current() != nullptr) return;
    for (uint64_t steps = dice_.Below(4); steps > 0; --steps) Step();
  });
  const std::atomic<bool> never{false};
  auto report = store_->Snapshot(directory, never);
  disk_.set_before_call(nullptr);
  trace_.Note("snapshot: " + report.status().ToString());
  return report;
}

void World::EndShards() {
  StepUntil("the shards' last work", [this] {
    return !AnyWork() && disk_.under_way() == 0 && jobs_.empty() && pool_->queued() == 0;
  });
  pool_.reset();
  shards_.reset();
}

bool World::AnyWork() const {
  for (uint32_t s = 0; s < shards_->count(); ++s) {
    if (shards_->HasWork(ShardIndex(s))) return true;
  }
  return false;
}

void World::Step() {
  const bool outer = std::exchange(in_step_, true);
  StepOnce();
  in_step_ = outer;
}

void World::TellDay() {
  const uint32_t day = storage::DayOf(clock_.WallUs());
  if (std::exchange(day_, day) != day && on_day_) on_day_(day);
}

double World::Metric(const std::string& name) const {
  base::MetricRegistry registry;
  store_->Register(registry);
  double sum = 0;
  for (const auto& entry : registry.Entries()) {
    if (entry.name == name && entry.read) sum += entry.read();
  }
  return sum;
}

void World::StepOnce() {
  clock_.Advance(dice_.Between(5, 200));
  TellDay();
  std::vector<ShardIndex> busy;
  for (uint32_t s = 0; s < shards_->count(); ++s) {
    if (shards_->HasWork(ShardIndex(s))) busy.emplace_back(s);
  }
  while (jobs_.size() < kPoolThreads) {
    io::OffloadJob* const job = pool_->Take();
    if (job == nullptr) break;
    jobs_.push_back(job);
  }
  const uint64_t choices = busy.size() + disk_.under_way() + jobs_.size();
  if (choices == 0) {
    // Now and then for long enough that what failed is tried again.
    clock_.Advance(dice_.OneIn(16) ? dice_.Between(1'000'000, 6'000'000)
                                   : dice_.Between(1'000, 60'000));
    if (++idle_steps_ > kStepsMax) stuck_("time passes and nothing happens");
    return;
  }
  idle_steps_ = 0;
  uint64_t choice = dice_.Below(choices);
  if (choice < busy.size()) {
    trace_.Note("turn of shard " + std::to_string(busy[choice].value()));
    shards_->Turn(busy[choice]);
    return;
  }
  choice -= busy.size();
  if (choice < disk_.under_way()) return disk_.EndOne(choice);
  choice -= disk_.under_way();
  io::OffloadJob* const job = jobs_[choice];
  jobs_.erase(jobs_.begin() + static_cast<ptrdiff_t>(choice));
  trace_.Note("a job of the pool");
  pool_->Run(*job);
}

void World::StepUntil(const std::string& what, const std::function<bool()>& condition) {
  for (uint64_t step = 0; !condition(); ++step) {
    if (step > kStepsMax) stuck_("waited for ever: " + what);
    Step();
  }
}

}  // namespace poplar::sim
