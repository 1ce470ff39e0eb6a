#include "storage/engine/partition.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/log.h"
#include "storage/engine/expirer.h"
#include "storage/engine/scrub.h"
#include "storage/engine/steady_date.h"
#include "storage/format/checksum.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kTickMs = 250;
constexpr uint64_t kRetryCheckpointUs = 5'000'000;
constexpr uint64_t kBlobUnlinkRetryUs = 5'000'000;
constexpr uint32_t kBlobUnlinkTriesMax = 3;
constexpr size_t kDamagedListsMax = 10'000;  // Further ones are neither named nor counted.

}  // namespace

// Reads one maildrop's list from the index, or its totals.
class Partition::LoadJob final : public io::OffloadJob {
 public:
  explicit LoadJob(Partition& partition) : partition_(partition) {}

  MaildropState* maildrop = nullptr;
  Wanted wanted = Wanted::kList;
  MaildropWaiter* waiters = nullptr;
  std::string key;  // Of its own: the maildrop belongs to the shard.
  StatusOr<std::shared_ptr<MessageList>> list = std::shared_ptr<MessageList>();
  StatusOr<IndexTotals> totals = IndexTotals();

  Status status() const { return wanted == Wanted::kList ? list.status() : totals.status(); }

 private:
  void Work() override {
    if (wanted == Wanted::kList) {
      list = partition_.index_->Load(key);
    } else {
      totals = partition_.index_->LoadTotals(key);
    }
  }
  void Done() override { partition_.Loaded(*this); }

  Partition& partition_;
};

Partition::Partition(const PartitionOptions& options, const LogOptions& log_options,
                     std::unique_ptr<Index> index, std::unique_ptr<MaildropTable> table,
                     LogStart start, uint64_t damages, io::Shard& shard, io::OffloadPool& disk)
    : options_(options),
      reactor_(shard.reactor()),
      disk_(disk),
      index_(std::move(index)),
      table_(std::move(table)),
      imported_uidls_(options.superblock, options.partition),
      policies_(options.policies),
      checkpoint_(this, [](void* self) { static_cast<Partition*>(self)->OnCheckpoint(); }),
      unlinking_(this, [](void* self) { static_cast<Partition*>(self)->StartUnlinking(); }),
      checkpointed_(start.flushed),
      tick_(&shard.reactor(), this) {
  const std::string log_directory = options_.directory + "/log";
  keeper_ = std::make_unique<SegmentKeeper>(
      SegmentKeeperOptions{options_.env, log_directory, options_.partition, options_.open_segments},
      *table_, shard, disk, static_cast<SegmentKeeper::Listener&>(*this));
  trimmer_ = std::make_unique<SegmentTrimmer>(options_.env, log_directory, options_.partition,
                                              *table_, reactor_, disk);
  table_->AttachLedger(*options_.ledger);
  metrics_.damages.Add(damages);
  checkpoint_.env = unlinking_.env = options_.env;
  checkpoint_.index = index_.get();
  checkpoint_.blob_directory = unlinking_.blob_directory = options_.directory + "/blobs";
  log_ = std::make_unique<Log>(log_options, std::move(start), reactor_, disk,
                               static_cast<Log::Listener&>(*this));
  trimmer_->AddAll(log_->first_open_segment());
  compactor_ = std::make_unique<Compactor>(
      CompactionOptions{options_.env, log_directory, options_.partition,
                        options_.compacts_by_itself, options_.compaction},
      *this, reactor_, disk);
  scrub_ = std::make_unique<Scrub>(
      ScrubOptions{options_.env, options_.directory, options_.partition, options_.scrub_bytes_per_s,
                   options_.scrub_interval_ms * 1000},
      *this, reactor_, disk);
  expirer_ = std::make_unique<Expirer>(
      *this,
      ExpiryOptions{options_.partition, options_.policies, options_.expiry_interval_ms,
                    log_options.segment_bytes},
      reactor_, disk);
  last_checkpoint_us_ = reactor_.now_us();
  tick_.Arm(kTickMs);
}

Partition::~Partition() { POP_CHECK(idle()); }

void Partition::SegmentBegun(const SegmentHead& head) {
  table_->AddSegment(head.number, {head.salt, head.bytes, 0, 0, kFirstBatchOffset, false});
  keeper_->Add({head.number, head.salt});
  metrics_.segments.Set(static_cast<int64_t>(table_->segments().size()));
}

void Partition::SegmentEnded(uint32_t number, uint32_t end) {
  table_->SetSegmentEnd(number, end);
  trimmer_->Add(number);
}

void Partition::SegmentEmptied(uint32_t number) {
  keeper_->Emptied(number, log_->flushed());
  keeper_->Checkpointed(checkpointed_);  // It may know everything already.
}

void Partition::SegmentGone(uint32_t number) {
  metrics_.segments.Set(static_cast<int64_t>(table_->segments().size()));
  trimmer_->Forget(number);
  compactor_->SegmentGone(number);
  log_->SpaceFreed();
}

void Partition::SegmentStays(uint32_t) { compactor_->SegmentStays(); }

void Partition::WithMaildrop(const std::string& key, Wanted wanted, MaildropWaiter& waiter) {
  MaildropState& maildrop = table_->FindOrMake(key);
  ++maildrop.pins;
  if (maildrop.list != nullptr || (wanted == Wanted::kTotals && maildrop.counted())) {
    metrics_.list_hits.Add();
    table_->Use(maildrop);
    waiter.MaildropReady(&maildrop, OkStatus());
    table_->Unpin(maildrop);
    return;
  }
  waiter.next_ = nullptr;
  const auto under_way = std::find_if(loading_.begin(), loading_.end(), [&](const LoadJob* job) {
    return job->maildrop == &maildrop && (job->wanted == wanted || job->wanted == Wanted::kList);
  });
  if (under_way != loading_.end()) {
    --maildrop.pins;  // The load holds one.
    MaildropWaiter** last = &(*under_way)->waiters;
    while (*last != nullptr) last = &(*last)->next_;
    *last = &waiter;
    return;
  }
  metrics_.list_misses.Add();
  LoadJob& job = loads_.Take(*this);
  job.maildrop = &maildrop;
  job.wanted = wanted;
  job.key = key;
  job.waiters = &waiter;
  if (!disk_.Submit(reactor_, DecodeMaildropKey(key).tenant.value(), job)) {
    loads_.Give(job);
    waiter.MaildropReady(nullptr,
                         MakeStatus(StatusCode::kUnavailable, "the disk pool's queue is full"));
    table_->Unpin(maildrop);
    return;
  }
  loading_.push_back(&job);
}

void Partition::Loaded(LoadJob& job) {
  std::erase(loading_, &job);
  MaildropState& maildrop = *job.maildrop;
  MaildropWaiter* waiter = std::exchange(job.waiters, nullptr);
  const Status why = job.status();
  if (!why.ok()) {
    NameFailed(job.key, why);
  } else if (job.wanted == Wanted::kList) {
    table_->InstallList(maildrop, std::move(*job.list));
  } else {
    table_->InstallTotals(maildrop, *job.totals);
  }
  loads_.Give(job);
  while (waiter != nullptr) {
    MaildropWaiter* const next = waiter->next_;
    waiter->MaildropReady(why.ok() ? &maildrop : nullptr, why);
    waiter = next;
  }
  table_->Unpin(maildrop);
  reactor_.AtTurnEnd(consider_);
}

// A list that is damaged stays so, and is asked for again and again.
void Partition::NameFailed(const std::string& list, const Status& why) {
  if (why.code() == StatusCode::kDataLoss) {
    if (damaged_lists_.size() == kDamagedListsMax) return;  // Nobody counts so many.
    if (!damaged_lists_.insert(Checksum(list)).second) return;
    metrics_.damages.Add();
  }
  const MaildropKey key = DecodeMaildropKey(list);
  base::Log(base::LogLevel::kError, "store_list_failed",
            {{"partition", options_.partition},
             {"tenant", key.tenant.value()},
             {"account", key.account},
             {"why", why.ToString()}});
}

bool Partition::WaitForRestore(const MaildropState& kept, MovesWaiter& waiter) {
  if (kept.restoring) restore_waiters_.push_back(&waiter);
  return kept.restoring;
}

void Partition::RestoreEnded(MaildropState& kept) {
  kept.restoring = false;
  for (MovesWaiter* const waiter : std::exchange(restore_waiters_, {})) waiter->MovesEnded();
}

void Partition::Applied() { reactor_.AtTurnEnd(consider_); }

void Partition::UnlinkBlob(BlobId blob) {
  to_unlink_.push_back(blob);
  reactor_.AtTurnEnd(consider_);
}

void Partition::EndLease(const std::string& key, const std::shared_ptr<Lease>& lease) {
  MaildropState* const maildrop = table_->Find(key);
  if (maildrop == nullptr || maildrop->lease != lease) return;  // Lost before.
  maildrop->lease.reset();
  metrics_.leases.Add(-1);
}

void Partition::OnTick() {
  if (closing_) return;
  tick_.Arm(kTickMs);
  imported_uidls_.DropIdle(options_.clock->MonotonicUs());
  scrub_->OnTick();
  expirer_->OnTick();
  Consider();
  trimmer_->Look();
  keeper_->Look();
  compactor_->Consider();
}

// At the end of a turn, when every record that was flushed is applied.
void Partition::Consider() {
  if (table_->has_doomed_blobs() || !to_unlink_.empty()) StartUnlinking();
  table_->Evict();
  metrics_.pending_changes.Set(static_cast<int64_t>(table_->changes()));
  metrics_.pending_maildrops.Set(static_cast<int64_t>(table_->changed_maildrops()));
  metrics_.index_unsound.Set(index_->unsound() ? 1 : 0);
  metrics_.index_reopenings.Add(index_->reopenings() - metrics_.index_reopenings.Read());
  metrics_.cached_bytes.Set(static_cast<int64_t>(table_->cached_bytes()));
  metrics_.starved.Set(log_->starved() ? 1 : 0);
  metrics_.overfull.Set(overfull() ? 1 : 0);
  if (!checkpoint_.pending() && CheckpointDue()) BeginCheckpoint();
  log_->Hold(overfull() && !closing_);
  // The index cannot be written just now: what waits is told so, and comes again. A hold ends soon.
  if (overfull() && !checkpoint_.pending() && !held_) {
    log_->RefuseWaiting(AppendOutcome::kTemporary);
  }
}

bool Partition::overfull() const {
  return table_->changes() >= kOverlayFactor * options_.checkpoint_changes;
}

bool Partition::CheckpointDue() const {
  if (closing_ || held_ || reactor_.now_us() < not_before_us_) return false;
  if (table_->changes() == 0 && log_->flushed() == checkpointed_) return false;
  if (keeper_->wants_checkpoint() && (log_->starved() || compactor_->thorough())) return true;
  return table_->changes() >= options_.checkpoint_changes ||
         table_->changed_maildrops() >= options_.checkpoint_maildrops ||
         log_->written_bytes() - log_bytes_at_checkpoint_ >= options_.checkpoint_log_bytes ||
         reactor_.now_us() - last_checkpoint_us_ >= options_.checkpoint_interval_ms * 1000;
}

Checkpoint Partition::TakeCheckpoint() {
  table_->SetSegmentEnd(log_->flushed().segment(), log_->flushed().offset());
  Checkpoint checkpoint = table_->TakeCheckpoint();
  checkpoint.meta = {options_.superblock.store_id,
                     options_.partition,
                     options_.epoch,
                     log_->flushed(),
                     log_->next_id(),
                     options_.date->KnownUs()};
  return checkpoint;
}

void Partition::BeginCheckpoint() {
  StartUnlinking();
  checkpoint_.blobs = to_unlink_;
  if (unlinking_.pending()) {
    checkpoint_.blobs.insert(checkpoint_.blobs.end(), unlinking_.blobs.begin(),
                             unlinking_.blobs.end());
  }
  checkpoint_.checkpoint = TakeCheckpoint();
  checkpoint_began_us_ = options_.clock->MonotonicUs();
  last_checkpoint_us_ = reactor_.now_us();
  log_bytes_at_checkpoint_ = log_->written_bytes();
  if (!disk_.Submit(reactor_, options_.partition, checkpoint_)) {
    checkpoint_.status = MakeStatus(StatusCode::kUnavailable, "the disk pool's queue is full");
    OnCheckpoint();
  }
}

void Partition::OnCheckpoint() {
  const Checkpoint& checkpoint = checkpoint_.checkpoint;
  const bool written = checkpoint_.status.ok();
  table_->FinishCheckpoint(checkpoint, written);
  if (written) {
    checkpointed_ = checkpoint.meta->checkpoint;
    keeper_->Checkpointed(checkpointed_);
    metrics_.checkpoints.Add();
    metrics_.checkpoint_maildrops.Add(checkpoint.maildrops.size());
    metrics_.checkpoint_us.Observe(options_.clock->MonotonicUs() - checkpoint_began_us_);
  } else {
    metrics_.checkpoint_failures.Add();
    not_before_us_ = reactor_.now_us() + kRetryCheckpointUs;
    compactor_->CheckpointFailed();
    base::Log(base::LogLevel::kError, "store_checkpoint_failed",
              {{"partition", options_.partition}, {"why", checkpoint_.status.ToString()}});
  }
  checkpoint_.checkpoint = {};
  reactor_.AtTurnEnd(consider_);
}

void Partition::StartUnlinking() {
  for (const BlobId blob : table_->TakeDoomedBlobs()) to_unlink_.push_back(blob);
  if (unlinking_.pending() || held_) return;
  if (!unlinking_.unlinked.left.empty()) {
    RetryUnlinking(std::exchange(unlinking_.unlinked, {}));
    unlink_not_before_us_ = reactor_.now_us() + kBlobUnlinkRetryUs;
  }
  unlinking_.blobs.clear();
  if (to_unlink_.empty() || reactor_.now_us() < unlink_not_before_us_) return;
  unlinking_.blobs.swap(to_unlink_);
  // A full pool keeps them for the next time.
  if (!disk_.Submit(reactor_, options_.partition, unlinking_)) to_unlink_.swap(unlinking_.blobs);
}

// No checkpoint is written while a blob waits to go, as nobody would look for it after one. So one
// that does not go at all is left where it is before it holds up the partition.
void Partition::RetryUnlinking(const UnlinkedBlobs& unlinked) {
  base::Log(base::LogLevel::kWarning, "store_unlink_failed",
            {{"partition", options_.partition}, {"why", unlinked.why.ToString()}});
  std::map<uint64_t, uint32_t> tries;
  UnlinkedBlobs given_up{.left = {}, .why = unlinked.why};
  for (const BlobId blob : unlinked.left) {
    const uint32_t tried = unlink_tries_[blob.value()] + 1;
    if (tried < kBlobUnlinkTriesMax) {
      tries[blob.value()] = tried;
      to_unlink_.push_back(blob);
    } else {
      given_up.left.push_back(blob);
    }
  }
  unlink_tries_ = std::move(tries);
  NameLeftBlobs(options_.partition, given_up);
  metrics_.damages.Add(given_up.left.size());
}

bool Partition::Hold() {
  held_ = true;
  return !checkpoint_.pending() && !unlinking_.pending();
}

void Partition::EndHold() {
  held_ = false;
  compactor_->LinksChanged();  // It was held for a snapshot, most often.
  reactor_.AtTurnEnd(consider_);
}

void Partition::BeginClose() {
  closing_ = true;
  tick_.Disarm();
  compactor_->BeginClose();
  scrub_->Stop();
  expirer_->BeginClose();
  log_->Hold(false);  // No checkpoint comes before the last, and what waits for one is little.
  log_->BeginClose();
}

bool Partition::idle() const {
  return log_->idle() && loading_.empty() && !checkpoint_.pending() && !unlinking_.pending() &&
         compactor_->idle() && keeper_->idle() && trimmer_->idle() && scrub_->idle() &&
         expirer_->idle() && !consider_.queued();
}

Status Partition::FinishClose() {
  POP_CHECK(idle());
  for (const BlobId blob : table_->TakeDoomedBlobs()) to_unlink_.push_back(blob);
  NameLeftBlobs(options_.partition, UnlinkBlobs(*options_.env, checkpoint_.blob_directory,
                                                std::exchange(to_unlink_, {})));
  for (const uint32_t number : log_->UnusedSegments()) {
    table_->RemoveSegment(number);
    // One that stays is removed at the next start.
    (void)options_.env->Unlink(options_.directory + "/log/" + SegmentName(number) + ".seg");
  }
  const Checkpoint checkpoint = TakeCheckpoint();
  const Status status = index_->Write(checkpoint);
  table_->FinishCheckpoint(checkpoint, status.ok());
  return status;
}

}  // namespace poplar::storage
