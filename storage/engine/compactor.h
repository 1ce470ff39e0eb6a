// Empties segments that hold too little that lives (FORMAT.md section 8), under a budget, while
// sessions read on and mail arrives. One segment at a time, a piece at a time, in groups of
// records: a group is durable and applied before the next begins, and what it took is paid for by a
// rest. Of CPU time the budget sees reading, checking and moving; not the log's own part, a write
// and a flush like others.
//
// Lives on its partition's shard, a field of the partition.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/base/units.h"
#include "core/io/offload_pool.h"
#include "core/io/timer.h"
#include "storage/engine/cpu_meter.h"
#include "storage/engine/linked_segments.h"
#include "storage/engine/move_group.h"
#include "storage/engine/passed_over.h"
#include "storage/engine/work_pace.h"
#include "storage/segment/batch_reader.h"

namespace poplar::storage {

class Partition;

struct alignas(base::kCacheLineBytes) CompactionMetrics {
  base::Counter segments_emptied;
  base::Counter segments_unlinked;
  base::Counter read_bytes;
  base::Counter cpu_us;
  base::Counter failures;
  base::Gauge log_bytes;       // Of segments that are full or in use.
  base::Gauge laid_out_bytes;  // Of those that stand ready behind them.
  base::Gauge live_bytes;      // Of these.
  base::Gauge linked_bytes;    // That snapshots keep a full disk from getting back.

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

struct CompactionOptions {
  Env* env = nullptr;
  std::string directory;  // Of the log.
  uint32_t partition = 0;
  bool by_itself = true;  // Else only where somebody waits for the space.
  WorkBudget budget;
};

class Compactor {
 public:
  Compactor(CompactionOptions options, Partition& partition, io::Reactor& reactor,
            io::OffloadPool& disk);
  ~Compactor();

  // Begins with a segment if one is worth it and it may. Cheap; for the tick.
  void Consider();
  // From now on everything that can be gained is worth it, there is no budget and checkpoints cover
  // what was emptied at once, until nothing is left or the disk fails; `thorough()` tells. A
  // damaged segment is passed over; one that cannot be read, or that a damaged list holds up, is
  // tried once.
  void BeginThorough();
  bool thorough() const { return thorough_; }
  // Segments that stay as they are: damaged, or they could not be read.
  size_t kept() const { return passed_over_.kept(); }
  // What was emptied waits on.
  void CheckpointFailed();
  // A snapshot may have been made.
  void LinksChanged() { linked_.Forget(); }

  // See MoveGroup.
  bool WaitForMoves(const MaildropState& maildrop, MovesWaiter& waiter) {
    return group_.WaitForMoves(maildrop, waiter);
  }
  void SegmentGone(uint32_t number);
  // An emptied segment could not be unlinked.
  void SegmentStays() { metrics_.failures.Add(); }

  void BeginClose();
  bool idle() const { return step_ == Step::kIdle && linked_.idle(); }
  const CompactionMetrics& metrics() const { return metrics_; }
  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;

 private:
  class ReadJob;
  enum class Step : uint8_t { kIdle, kReading, kMoving, kResting };

  std::optional<uint32_t> Pick();
  bool WorthIt(uint64_t bytes, uint64_t needed, bool crowded) const;
  bool Fits(uint64_t needed) const;
  bool KnowLinks();
  void CountLinked(uint64_t segments, uint64_t bytes);
  bool Awaited() const;
  void Begin(uint32_t number);
  void Read();
  void OnRead();
  void NextGroup();
  void FillGroup();
  void OnGroupEnded();
  uint64_t RestMs();
  void Rest(uint64_t ms);
  void OnRested();
  void SegmentWeighed();
  void SegmentEmptied();
  // `of_victim`: why this segment is passed over from now on; nothing: the next may fail as well.
  void GiveUp(const Status& why, std::optional<PassedOver::Why> of_victim);
  void Stop();

  const CompactionOptions options_;
  Partition& partition_;
  io::Reactor& reactor_;
  io::OffloadPool& disk_;
  CompactionMetrics metrics_;

  Step step_ = Step::kIdle;
  bool closing_ = false;
  bool thorough_ = false;
  uint64_t not_before_us_ = 0;  // After a failure.
  PassedOver passed_over_;
  // On a full disk a segment is read before anything of it is moved: of these it is known what goes
  // on of their deletions, since the last segment was unlinked.
  std::set<uint32_t> weighed_;
  LinkedSegments linked_;
  uint64_t linked_told_ = 0;  // So many of them the log was told of.

  uint32_t victim_ = 0;
  bool may_use_reserve_ = false;
  bool weighing_ = false;
  std::unique_ptr<ReadJob> read_;
  size_t next_record_ = 0;                      // Of the piece.
  std::vector<const PlacedRecord*> postponed_;  // Of the piece: deletions were under way.
  CpuMeter cpu_;
  MoveGroup group_;
  WorkPace pace_;
  uint64_t paid_read_bytes_ = 0;  // Of what was read, what the budget has seen.
  io::TimerFor<&Compactor::OnRested> rest_;
};

}  // namespace poplar::storage
