// A partition at work: its log, its maildrops, leases, loads from the index and checkpoints. Lives
// on its shard, which alone changes it. What comes from other shards comes as the calls of calls.h,
// executed here.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/io/offload_pool.h"
#include "core/io/shard.h"
#include "storage/engine/call_pool.h"
#include "storage/engine/checkpoint_job.h"
#include "storage/engine/compactor.h"
#include "storage/engine/imported_uidls.h"
#include "storage/engine/segment_keeper.h"
#include "storage/engine/segment_trimmer.h"
#include "storage/engine/work_pace.h"
#include "storage/index/maildrop_table.h"
#include "storage/segment/log.h"

namespace poplar::storage {

struct alignas(base::kCacheLineBytes) PartitionMetrics {
  base::Counter deliveries;
  base::Counter delivered_bytes;
  base::Counter imported;
  base::Counter import_repeats;
  base::Counter blobs;
  base::Counter commits;
  base::Counter expunged;
  base::Counter kept;
  base::Counter restored;
  base::Counter over_quota;
  base::Counter over_tenant_quota;
  base::Counter too_many;
  base::Gauge index_unsound;
  base::Counter index_reopenings;
  base::Counter list_hits;
  base::Counter list_misses;
  base::Counter checkpoints;
  base::Counter checkpoint_failures;
  base::Counter checkpoint_maildrops;
  base::Histogram checkpoint_us;
  base::Counter damages;
  base::Counter blobs_kept;
  base::Gauge leases;
  base::Gauge pending_changes;
  base::Gauge pending_maildrops;
  base::Gauge cached_bytes;
  base::Gauge starved;   // 1 while no segment can be laid out.
  base::Gauge overfull;  // 1 while the log rests because too much waits for a checkpoint.
  base::Gauge segments;

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

// So many times the changes that begin a checkpoint may wait in memory while one runs or fails;
// then the log rests.
inline constexpr uint64_t kOverlayFactor = 8;

class SteadyDate;

struct PartitionOptions {
  Env* env = nullptr;
  const base::Clock* clock = nullptr;
  std::string directory;
  Superblock superblock;
  uint32_t partition = 0;
  uint32_t epoch = 0;
  uint64_t checkpoint_changes = 0;
  uint64_t checkpoint_maildrops = 0;
  uint64_t checkpoint_log_bytes = 0;
  uint64_t checkpoint_interval_ms = 0;
  bool compacts_by_itself = true;
  WorkBudget compaction;
  uint64_t scrub_bytes_per_s = 0;
  uint64_t scrub_interval_ms = 0;
  uint64_t expiry_interval_ms = 0;
  const PolicyBoard* policies = nullptr;  // Null: none.
  TenantLedger* ledger = nullptr;
  SteadyDate* date = nullptr;
  OpenSegments* open_segments = nullptr;
};

// Waits for a maildrop's list, or for what it holds: a part of a call.
class MaildropWaiter {
 public:
  virtual ~MaildropWaiter() = default;

 protected:
  friend class Partition;
  // With the maildrop, loaded or counted as it was asked for; or null and why. It is pinned for the
  // length of the call only.
  virtual void MaildropReady(MaildropState* maildrop, const Status& why) = 0;

 private:
  MaildropWaiter* next_ = nullptr;
};

class Expirer;
class Scrub;

class Partition final : private Log::Listener, private SegmentKeeper::Listener {
 public:
  Partition(const PartitionOptions& options, const LogOptions& log_options,
            std::unique_ptr<Index> index, std::unique_ptr<MaildropTable> table, LogStart start,
            uint64_t damages, io::Shard& shard, io::OffloadPool& disk);
  ~Partition() override;

  Log& log() { return *log_; }
  const Log& log() const { return *log_; }
  MaildropTable& table() { return *table_; }
  const MaildropTable& table() const { return *table_; }
  ImportedUidls& imported_uidls() { return imported_uidls_; }
  PartitionMetrics& metrics() { return metrics_; }
  const LogMetrics& log_metrics() const { return log_->metrics(); }
  SegmentKeeper& keeper() { return *keeper_; }
  const SegmentTrimmer& trimmer() const { return *trimmer_; }
  Compactor& compactor() { return *compactor_; }
  Scrub& scrub() { return *scrub_; }
  const Expirer& expirer() const { return *expirer_; }
  const TenantPolicies& policies() { return policies_.Current(); }
  const TenantPolicy& PolicyOf(TenantId tenant) { return policies().Of(tenant); }
  TenantLedger& ledger() { return *options_.ledger; }
  const base::Clock& clock() const { return *options_.clock; }
  SteadyDate& date() { return *options_.date; }
  bool checkpoint_pending() const { return checkpoint_.pending(); }
  // As of the last checkpoint. Reading it is for any thread.
  Index& index() { return *index_; }

  // Calls `waiter` with the maildrop, loaded, at once or later.
  void WithList(const std::string& key, MaildropWaiter& waiter) {
    WithMaildrop(key, Wanted::kList, waiter);
  }
  // The same, but it need only be counted.
  void WithTotals(const std::string& key, MaildropWaiter& waiter) {
    WithMaildrop(key, Wanted::kTotals, waiter);
  }

  // See Compactor.
  bool WaitForMoves(const MaildropState& maildrop, MovesWaiter& waiter) {
    return compactor_->WaitForMoves(maildrop, waiter);
  }
  // Of a list of kept mail, a message of which comes back. True: `waiter` will be told of its end;
  // then it asks anew.
  bool WaitForRestore(const MaildropState& kept, MovesWaiter& waiter);
  void RestoreEnded(MaildropState& kept);
  // Its records stand elsewhere, durably.
  void SegmentEmptied(uint32_t number);
  // So many changes wait for a checkpoint that the log rests.
  bool overfull() const;

  // After a durable record was applied.
  void Applied();
  // Frees a blob that no record names.
  void UnlinkBlob(BlobId blob);
  // Of a maildrop that this partition leased.
  void EndLease(const std::string& key, const std::shared_ptr<Lease>& lease);

  // From the call on no checkpoint begins and nothing is unlinked, until EndHold. False: one is
  // under way; call again. Deliveries and deletions go on, and what they change waits in memory.
  bool Hold();
  void EndHold();

  // --- The end, on the shard: BeginClose, wait until idle, FinishClose.
  void BeginClose();
  bool idle() const;
  // Blocks: a last checkpoint.
  Status FinishClose();

 private:
  class LoadJob;
  enum class Wanted : uint8_t { kList, kTotals };

  void WithMaildrop(const std::string& key, Wanted wanted, MaildropWaiter& waiter);
  void SegmentBegun(const SegmentHead& head) override;
  void SegmentEnded(uint32_t number, uint32_t end) override;
  void SegmentGone(uint32_t number) override;
  void SegmentStays(uint32_t number) override;
  void Loaded(LoadJob& job);
  void NameFailed(const std::string& list, const Status& why);
  void OnTick();
  void Consider();
  bool CheckpointDue() const;
  void BeginCheckpoint();
  void OnCheckpoint();
  void StartUnlinking();
  void RetryUnlinking(const UnlinkedBlobs& unlinked);
  Checkpoint TakeCheckpoint();

  const PartitionOptions options_;
  io::Reactor& reactor_;
  io::OffloadPool& disk_;
  PartitionMetrics metrics_;
  const std::unique_ptr<Index> index_;
  const std::unique_ptr<MaildropTable> table_;
  std::unique_ptr<SegmentKeeper> keeper_;
  std::unique_ptr<SegmentTrimmer> trimmer_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Compactor> compactor_;
  std::unique_ptr<Scrub> scrub_;
  std::unique_ptr<Expirer> expirer_;

  ImportedUidls imported_uidls_;
  PolicyReader policies_;
  CallPool<LoadJob> loads_;
  std::vector<LoadJob*> loading_;
  std::vector<MovesWaiter*> restore_waiters_;   // For any that is brought back.
  std::unordered_set<uint64_t> damaged_lists_;  // That were named; checksums of their keys.
  CheckpointJob checkpoint_;
  UnlinkJob unlinking_;
  std::vector<BlobId> to_unlink_;
  std::map<uint64_t, uint32_t> unlink_tries_;  // That failed, of blobs to unlink.
  uint64_t unlink_not_before_us_ = 0;          // After a failure.

  bool closing_ = false;
  bool held_ = false;
  uint64_t checkpoint_began_us_ = 0;
  uint64_t last_checkpoint_us_ = 0;
  uint64_t log_bytes_at_checkpoint_ = 0;
  uint64_t not_before_us_ = 0;  // After a failed checkpoint.
  Lsn checkpointed_;
  io::TimerFor<&Partition::OnTick> tick_;
  io::WorkFor<&Partition::Consider> consider_{this};
};

}  // namespace poplar::storage
