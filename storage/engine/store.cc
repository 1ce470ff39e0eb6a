#include <algorithm>
#include <mutex>
#include <thread>

#include "core/base/check.h"
#include "core/base/log.h"
#include "storage/engine/engine.h"
#include "storage/engine/expirer.h"
#include "storage/engine/layout.h"
#include "storage/engine/limit_metrics.h"
#include "storage/engine/recovery.h"
#include "storage/engine/scrub.h"
#include "storage/engine/shard_store.h"

namespace poplar::storage {
namespace {

constexpr uint32_t kDefaultPartitionsMax = 16;

Status MakeDirectoryIfMissing(Env& env, const std::string& path) {
  const Status made = env.MakeDirectory(path);
  return made.code() == StatusCode::kAlreadyExists ? OkStatus() : made;
}

// Of a rate for the whole store: 0 is off, everything else goes on.
uint64_t ShareOf(uint64_t bytes_per_s, uint64_t partitions) {
  return (bytes_per_s + partitions - 1) / partitions;
}

// So many changed lists are a checkpoint's worth: the index keeps the pages of the largest that it
// ever wrote, and a maildrop has about three of its own.
uint64_t CheckpointMaildrops(const EngineContext& context) {
  constexpr uint64_t kBytesAMaildrop = 3 * 4096;
  const uint64_t bytes = context.options.list_cache_bytes / 4 / context.superblock.partitions;
  return std::max<uint64_t>(bytes / kBytesAMaildrop, 64);
}

class EmbeddedStore final : public EngineStore {
 public:
  EmbeddedStore(std::unique_ptr<EngineContext> context, std::unique_ptr<FileLock> lock)
      : context_(std::move(context)), lock_(std::move(lock)) {}
  ~EmbeddedStore() override { (void)Close(); }

  uint32_t BeginEpoch(const std::vector<RecoveredPartition>& recovered) const;
  Status Start(std::vector<RecoveredPartition> recovered);

  ShardStore& OnShard(ShardIndex shard) override { return *shards_[shard.value()]; }
  Status Close() override;
  TenantTotals TotalsOf(TenantId tenant) const override {
    return context_->ledger.TotalsOf(tenant);
  }
  void Register(base::MetricRegistry& registry) const override;
  void SetScrubRate(uint64_t bytes_per_s) override;
  StatusOr<StoreStats> Stats() override { return OpenStoreStats(*context_); }
  StatusOr<SnapshotReport> Snapshot(const std::string& directory,
                                    const std::atomic<bool>& cancel) override {
    return SnapshotOpenStore(*context_, directory, cancel);
  }
  void BeginCompaction() override { storage::BeginCompaction(*context_); }
  CompactionState Compaction() override { return ReadCompaction(*context_); }

 private:
  StatusOr<LogStart> PrepareLog(uint32_t partition, RecoveredPartition& recovered);
  LogOptions LogOptionsOf(uint32_t partition) const;
  bool Idle();

  std::unique_ptr<EngineContext> context_;
  std::unique_ptr<FileLock> lock_;
  std::vector<std::unique_ptr<EmbeddedShardStore>> shards_;
  bool closed_ = false;
};

LogOptions EmbeddedStore::LogOptionsOf(uint32_t partition) const {
  const StoreOptions& options = context_->options;
  LogOptions log;
  log.env = options.env;
  log.clock = options.clock;
  log.directory = PartitionDirectory(options.path, partition) + "/log";
  log.store_id = context_->superblock.store_id;
  log.partition = partition;
  log.epoch = context_->epoch;
  log.segment_bytes = options.segment_bytes;
  log.reserve_bytes = options.reserve_bytes;
  log.disk_room = &context_->disk_room;
  log.pace_us_per_mib = options.segment_pace_us_per_mib;
  return log;
}

// Makes the run's epoch durable in two fresh segments, and a checkpoint that knows it.
StatusOr<LogStart> EmbeddedStore::PrepareLog(uint32_t partition, RecoveredPartition& recovered) {
  const StoreOptions& options = context_->options;
  const LogOptions log = LogOptionsOf(partition);
  const std::atomic<bool> hurry{true};
  LogStart start;
  start.flushed = recovered.end;
  start.next_id = std::max(recovered.next_id, FirstIdOf(context_->epoch));
  start.next_segment = recovered.next_segment;
  for (OpenSegment* segment : {&start.active, &start.reserve}) {
    SegmentLayout layout;
    layout.env = options.env;
    layout.directory = log.directory;
    layout.head = {
        log.store_id,           partition,
        start.next_segment++,   context_->epoch,
        options.env->Random(),  std::min(options.first_segment_bytes, options.segment_bytes),
        options.clock->WallUs()};
    POP_ASSIGN_OR_RETURN(*segment, LayOutSegment(layout, hurry));
  }
  const std::string blobs = PartitionDirectory(options.path, partition) + "/blobs";
  POP_RETURN_IF_ERROR(
      MakeDirectoryIfMissing(*options.env, blobs + "/" + BlobEpochName(context_->epoch)));
  POP_RETURN_IF_ERROR(options.env->SyncDirectory(blobs));
  Checkpoint checkpoint = recovered.table->TakeCheckpoint();
  checkpoint.meta = {log.store_id,  partition,     context_->epoch,
                     recovered.end, start.next_id, context_->date->KnownUs()};
  POP_RETURN_IF_ERROR(recovered.index->Write(checkpoint));
  recovered.table->FinishCheckpoint(checkpoint, true);
  return start;
}

// The epoch of the run that begins now: FORMAT.md section 3.
uint32_t EmbeddedStore::BeginEpoch(const std::vector<RecoveredPartition>& recovered) const {
  constexpr int64_t kWaitUsMax = 2'000'000;  // A clock that was set back may need years.
  constexpr int64_t kSlewUs = 1'000;
  const base::Clock& clock = *context_->options.clock;
  uint32_t epoch = static_cast<uint32_t>(clock.WallUs() / 1'000'000);
  // The store that it was copied from may have begun a run in this very second.
  if ((context_->superblock.compatible_features & kFeatureSnapshot) != 0) ++epoch;
  for (const RecoveredPartition& each : recovered) epoch = std::max(epoch, each.epoch + 1);
  // No epoch is ahead of the clock, so what is restored in a later second has a later one.
  const int64_t early_us = static_cast<int64_t>(epoch) * 1'000'000 - clock.WallUs();
  if (early_us > 0 && early_us <= kWaitUsMax) {
    clock.SleepUs(static_cast<uint64_t>(early_us + kSlewUs));
  }
  return epoch;
}

Status EmbeddedStore::Start(std::vector<RecoveredPartition> recovered) {
  const StoreOptions& options = context_->options;
  const uint32_t epoch = BeginEpoch(recovered);
  context_->epoch = epoch;
  std::vector<LogStart> starts;
  for (uint32_t p = 0; p < recovered.size(); ++p) {
    POP_ASSIGN_OR_RETURN(LogStart start, PrepareLog(p, recovered[p]));
    starts.push_back(std::move(start));
  }
  for (uint32_t s = 0; s < context_->shards.count(); ++s) {
    context_->shards.RunOn(ShardIndex(s), [this](io::Shard& shard) {
      shards_.push_back(std::make_unique<EmbeddedShardStore>(*context_, shard));
      context_->stores.push_back(shards_.back().get());
    });
  }
  for (uint32_t p = 0; p < recovered.size(); ++p) {
    PartitionOptions partition;
    partition.env = options.env;
    partition.clock = options.clock;
    partition.directory = PartitionDirectory(options.path, p);
    partition.superblock = context_->superblock;
    partition.partition = p;
    partition.epoch = epoch;
    partition.checkpoint_changes = options.checkpoint_changes;
    partition.checkpoint_maildrops = CheckpointMaildrops(*context_);
    partition.checkpoint_log_bytes = options.checkpoint_log_bytes;
    partition.checkpoint_interval_ms = options.checkpoint_interval_ms;
    partition.compacts_by_itself = options.compact_by_itself;
    partition.compaction = {ShareOf(options.compact_bytes_per_second, recovered.size()),
                            CpuShare(options.compact_cpu_percent, context_->PartitionsBeside(p))};
    partition.open_segments = context_.get();
    partition.scrub_bytes_per_s = ShareOf(options.scrub_bytes_per_s, recovered.size());
    partition.scrub_interval_ms = options.scrub_interval_ms;
    partition.expiry_interval_ms = options.expiry_interval_ms;
    partition.policies = options.policies;
    partition.ledger = &context_->ledger;
    partition.date = context_->date.get();
    context_->shards.RunOn(context_->ShardOf(p), [&](io::Shard& shard) {
      context_->partitions[p] = std::make_unique<Partition>(
          partition, LogOptionsOf(p), std::move(recovered[p].index), std::move(recovered[p].table),
          std::move(starts[p]), recovered[p].damages, shard, context_->disk);
      context_->partitions[p]->metrics().blobs_kept.Add(recovered[p].blobs_kept);
    });
  }
  return OkStatus();
}

bool EmbeddedStore::Idle() {
  bool idle = true;
  context_->shards.RunOnEach([&](io::Shard& shard) {
    idle = idle && shards_[shard.index().value()]->idle();
    for (uint32_t p = 0; p < context_->partitions.size(); ++p) {
      if (context_->ShardOf(p) == shard.index()) idle = idle && context_->partitions[p]->idle();
    }
  });
  return idle;
}

Status EmbeddedStore::Close() {
  if (std::exchange(closed_, true)) return OkStatus();
  Status status;
  const auto each_partition = [this](const std::function<void(uint32_t)>& step) {
    for (uint32_t p = 0; p < context_->partitions.size(); ++p) {
      if (context_->partitions[p] == nullptr) continue;
      context_->shards.RunOn(context_->ShardOf(p), [&](io::Shard&) { step(p); });
    }
  };
  if (shards_.size() == context_->shards.count() && !context_->partitions.empty() &&
      context_->partitions.back() != nullptr) {
    each_partition([this](uint32_t p) { context_->partitions[p]->BeginClose(); });
    context_->shards.WaitUntil([this] { return Idle(); });
    each_partition([&](uint32_t p) {
      const Status closed = context_->partitions[p]->FinishClose();
      if (status.ok()) status = closed;
    });
    each_partition([this](uint32_t p) { context_->partitions[p].reset(); });
  }
  for (uint32_t s = 0; s < shards_.size(); ++s) {
    context_->shards.RunOn(ShardIndex(s), [&](io::Shard&) { shards_[s].reset(); });
  }
  lock_.reset();
  return status;
}

void EmbeddedStore::Register(base::MetricRegistry& registry) const {
  for (const auto& partition : context_->partitions) {
    partition->metrics().Register(registry, {});
    partition->log_metrics().Register(registry, {});
    partition->compactor().Register(registry, {});
    partition->scrub().metrics().Register(registry, {});
    partition->expirer().metrics().Register(registry, {});
  }
  for (const auto& shard : shards_) shard->metrics().Register(registry, {});
  context_->date->Register(registry);
  RegisterLimits(*context_, registry);
}

void EmbeddedStore::SetScrubRate(uint64_t bytes_per_s) {
  const uint64_t share = ShareOf(bytes_per_s, context_->partitions.size());
  for (uint32_t p = 0; p < context_->partitions.size(); ++p) {
    context_->shards.RunOn(context_->ShardOf(p), [&](io::Shard&) {
      context_->partitions[p]->scrub().set_bytes_per_s(share);
    });
  }
}

RecoveryOptions RecoveryOptionsOf(const EngineContext& context, uint32_t partition) {
  const StoreOptions& options = context.options;
  RecoveryOptions recovery;
  recovery.env = options.env;
  recovery.directory = PartitionDirectory(options.path, partition);
  recovery.superblock = context.superblock;
  recovery.partition = partition;
  recovery.cache_bytes_max = options.list_cache_bytes / context.superblock.partitions;
  recovery.checkpoint_changes = options.checkpoint_changes;
  recovery.checkpoint_maildrops = CheckpointMaildrops(context);
  recovery.index_map_bytes = options.index_map_bytes;
  recovery.index_engine = options.index_engine;
  return recovery;
}

// Goes on from what the last run knew.
std::unique_ptr<SteadyDate> DateOf(const base::Clock& clock,
                                   const std::vector<RecoveredPartition>& recovered) {
  int64_t known_us = 0;
  for (const RecoveredPartition& each : recovered) known_us = std::max(known_us, each.known_us);
  auto date = std::make_unique<SteadyDate>(clock, known_us);
  (void)date->Today();  // Compares them.
  return date;
}

// Before anything is changed.
Status CheckAllFormats(const EngineContext& context) {
  for (uint32_t p = 0; p < context.superblock.partitions; ++p) {
    const RecoveryOptions recovery = RecoveryOptionsOf(context, p);
    POP_RETURN_IF_ERROR(Annotate(CheckFormats(recovery), recovery.directory));
  }
  return OkStatus();
}

StatusOr<std::vector<RecoveredPartition>> RecoverAll(const EngineContext& context) {
  const uint32_t count = context.superblock.partitions;
  std::vector<RecoveredPartition> recovered(count);
  std::vector<Status> statuses(count);
  std::atomic<uint32_t> next{0};
  const auto work = [&] {
    for (uint32_t p = next++; p < count; p = next++) {
      const RecoveryOptions recovery = RecoveryOptionsOf(context, p);
      StatusOr<RecoveredPartition> one = RecoverPartition(recovery);
      if (one.ok()) {
        recovered[p] = std::move(*one);
      } else {
        statuses[p] = Annotate(one.status(), recovery.directory);
      }
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t t = 1; t < std::min(context.options.recovery_threads, count); ++t) {
    threads.emplace_back(work);
  }
  work();
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) POP_RETURN_IF_ERROR(status);
  return recovered;
}

void LogOpened(const EngineContext& context, const std::vector<RecoveredPartition>& recovered) {
  uint64_t records = 0, bytes = 0, damages = 0;
  for (const RecoveredPartition& each : recovered) {
    records += each.records;
    bytes += each.bytes;
    damages += each.damages;
  }
  base::Log(base::LogLevel::kInfo, "store_open",
            {{"path", context.options.path},
             {"partitions", context.superblock.partitions},
             {"records_replayed", records},
             {"octets_replayed", bytes},
             {"damages", damages}});
}

// An empty store in the place of one that cannot be read would be the end of its mail.
Status CheckNoStore(Env& env, const std::string& path) {
  const Status found = ReadSuperblock(env, path).status();
  if (found.code() == StatusCode::kNotFound) return OkStatus();
  const bool store = found.ok() || found.code() == StatusCode::kFailedPrecondition;
  return store ? MakeStatus(StatusCode::kAlreadyExists, path + ": a store is there already")
               : found;
}

}  // namespace

Status CreateStore(const std::string& path, const CreateOptions& options) {
  Env& env = options.env != nullptr ? *options.env : SystemEnv();
  const base::Clock& clock = options.clock != nullptr ? *options.clock : base::SystemClock();
  POP_RETURN_IF_ERROR(CheckNoStore(env, path));
  Superblock superblock;
  superblock.partitions = options.partitions != 0
                              ? options.partitions
                              : std::min(io::GrantedCores(), kDefaultPartitionsMax);
  if (superblock.partitions > kPartitionsMax) {
    return MakeStatus(StatusCode::kInvalidArgument, "a store has at most 999 partitions");
  }
  for (size_t i = 0; i < superblock.store_id.size(); i += sizeof(uint64_t)) {
    const uint64_t random = env.Random();
    std::memcpy(&superblock.store_id[i], &random, sizeof random);
  }
  superblock.placement_seed = env.Random();
  superblock.created_us = clock.WallUs();
  WriteUidlTag(env.Random(), superblock.uidl_tag.data());

  POP_RETURN_IF_ERROR(MakeDirectoryIfMissing(env, path));
  POP_ASSIGN_OR_RETURN(const auto lock, env.Lock(path + "/lock"));
  POP_RETURN_IF_ERROR(CheckNoStore(env, path));  // Nobody has made one meanwhile.
  POP_RETURN_IF_ERROR(MakeDirectoryIfMissing(env, path + "/incoming"));
  for (uint32_t p = 0; p < superblock.partitions; ++p) {
    const std::string directory = PartitionDirectory(path, p);
    POP_RETURN_IF_ERROR(MakeDirectoryIfMissing(env, directory));
    for (const char* part : {"/log", "/blobs", "/index"}) {
      POP_RETURN_IF_ERROR(MakeDirectoryIfMissing(env, directory + part));
    }
    POP_RETURN_IF_ERROR(env.SyncDirectory(directory));
  }
  POP_RETURN_IF_ERROR(env.SyncDirectory(path));
  POP_RETURN_IF_ERROR(env.SyncDirectory(ParentOf(path)));
  return WriteSuperblock(env, path, superblock);
}

// So that one record can delete all that a maildrop holds, as a session's QUIT does, and what came
// in while it was nearly full.
uint32_t MessagesPerMaildropMax(const StoreOptions& options) {
  const uint64_t head_bytes = kFirstBatchOffset + kBatchHeadBytes + kRecordHeadBytesMax;
  const uint64_t fit = (options.segment_bytes - head_bytes) / kExpungedBytes;
  return static_cast<uint32_t>(
      std::min<uint64_t>(options.messages_per_maildrop_max, fit - fit / 8));
}

StatusOr<std::unique_ptr<EngineStore>> OpenStore(const StoreOptions& options, io::ShardSet& shards,
                                                 io::OffloadPool& disk) {
  StoreOptions filled = options;
  if (filled.env == nullptr) filled.env = &SystemEnv();
  if (filled.clock == nullptr) filled.clock = &base::SystemClock();
  filled.messages_per_maildrop_max = MessagesPerMaildropMax(filled);
  Env& env = *filled.env;
  POP_ASSIGN_OR_RETURN(const Superblock superblock, ReadSuperblock(env, filled.path));
  filled.reserve_bytes = ReserveBytes(filled, superblock.partitions);
  POP_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, env.Lock(filled.path + "/lock"));
  auto context = std::make_unique<EngineContext>(std::move(filled), superblock, shards, disk);
  POP_RETURN_IF_ERROR(CheckAllFormats(*context));
  POP_RETURN_IF_ERROR(MendSuperblock(env, context->options.path, superblock));
  POP_RETURN_IF_ERROR(EmptyIncoming(env, context->options.path + "/incoming"));
  POP_ASSIGN_OR_RETURN(std::vector<RecoveredPartition> recovered, RecoverAll(*context));
  LogOpened(*context, recovered);
  context->date = DateOf(*context->options.clock, recovered);
  auto store = std::make_unique<EmbeddedStore>(std::move(context), std::move(lock));
  POP_RETURN_IF_ERROR(store->Start(std::move(recovered)));
  return store;
}

}  // namespace poplar::storage
