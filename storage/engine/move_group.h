// One group of a segment's records on its way to another place (FORMAT.md section 8): messages that
// live as MOVE, deletions that a rebuild still needs carried forward.
//
// MOVE and the records of deletions exclude each other for a maildrop: the group leaves out
// messages of a maildrop whose deletion is on its way into the log, and a deletion waits for the
// group.
//
// Lives on its partition's shard, a field of the compactor.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/base/units.h"
#include "storage/engine/cpu_meter.h"
#include "storage/index/maildrop_table.h"
#include "storage/segment/batch_reader.h"

namespace poplar::storage {

class Partition;

// Waits until no record of a maildrop is being moved, or brought back: a part of a call.
class MovesWaiter {
 public:
  virtual ~MovesWaiter() = default;

 protected:
  friend class MoveGroup;
  friend class Partition;
  virtual void MovesEnded() = 0;

 private:
  MovesWaiter* next_ = nullptr;
};

struct alignas(base::kCacheLineBytes) MoveMetrics {
  base::Counter moved_messages;
  base::Counter moved_bytes;
  base::Counter carried_records;

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

class MoveGroup {
 public:
  using Handler = void (*)(void* owner);

  // `ended` follows each Close, maybe inside it. REQUIRES: the handler begins nothing itself, as
  // the log may be in the midst of answering.
  // What it computes is measured by `cpu`.
  MoveGroup(Partition& partition, CpuMeter& cpu, void* owner, Handler ended);
  ~MoveGroup();

  // Of records that stand in `segment`, which is to go. With `may_use_reserve` they are written
  // where deliveries are refused.
  void Begin(uint32_t segment, bool may_use_reserve);
  // The same, but nothing is written: CarriedBytes learns what of them must be carried.
  void BeginWeighing(uint32_t segment);
  bool full() const;
  // REQUIRES: begun, not closed; `placed` stays until the end.
  void Take(const PlacedRecord& placed);
  void Close();

  // --- After the end.
  // kDataLoss: the list of a maildrop is damaged, so nobody knows which of its records live.
  const Status& status() const { return status_; }
  // Those that must be tried again: a deletion was under way.
  std::vector<const PlacedRecord*> TakePostponed() { return std::exchange(postponed_, {}); }
  uint64_t written_bytes() const { return bytes_; }

  // False: nothing of the maildrop is being moved. Otherwise `waiter` is told later.
  bool WaitForMoves(const MaildropState& maildrop, MovesWaiter& waiter);

  // Octets of deletions in `segment` that something on disk keeps from being dropped: of those that
  // were carried there, and once it was weighed, of all.
  uint64_t CarriedBytes(uint32_t segment) const;
  // It is to be weighed from its beginning.
  void ForgetCarried(uint32_t segment) { carried_.erase(segment); }
  void SegmentGone(uint32_t segment);
  const MoveMetrics& metrics() const { return metrics_; }

 private:
  class Mover;
  class Carrier;

  // A deletion as it is carried forward.
  struct Carried {
    Record record;
    std::string body;
    // Its octets by the segments that keep it from being dropped.
    std::map<uint32_t, uint64_t> waits_for;
  };

  void Carry(const PlacedRecord& placed);
  // Nothing: nobody needs it any more.
  std::optional<Carried> CarriedOf(const PlacedRecord& placed) const;
  void CountCarried(uint32_t segment, const std::map<uint32_t, uint64_t>& waits_for);
  // The segment that keeps this deletion from being dropped, if any.
  std::optional<uint32_t> KeptFor(const Expunged& expunged) const;
  // A segment that is not younger than this one, if another is.
  std::optional<uint32_t> KeptUpTo(uint32_t segment) const;
  void RecordEnded();

  Partition& partition_;
  CpuMeter& cpu_;
  void* const owner_;
  const Handler ended_;
  MoveMetrics metrics_;

  uint32_t segment_ = 0;
  bool may_use_reserve_ = false;
  bool weighing_ = false;
  size_t weighed_ = 0;  // Records that are deletions.
  std::vector<std::unique_ptr<Mover>> movers_;
  std::vector<std::unique_ptr<Carrier>> carriers_;
  size_t movers_used_ = 0;
  size_t carriers_used_ = 0;
  size_t outstanding_ = 0;
  uint64_t bytes_ = 0;
  Status status_;
  std::vector<const PlacedRecord*> postponed_;
  MovesWaiter* waiting_ = nullptr;
  MovesWaiter** waiting_last_ = &waiting_;

  // Octets of carried records in segments, by what they wait for: of those that this run carried
  // there, and of segments that were weighed. What an earlier run carried is learnt when it is read
  // again.
  std::map<uint32_t, std::map<uint32_t, uint64_t>> carried_;
};

}  // namespace poplar::storage
