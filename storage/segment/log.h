// A partition's log, as it is written: what arrived while the last flush ran becomes one batch, one
// write and one flush (FORMAT.md section 4).
//
// Lives on its partition's shard. What is appended is a field of its owner, who outlives the
// answer; answers come in the order of the log.
//
// A write or flush that fails ends its segment where it was last flushed: the batch fails as a
// whole, nothing is retried into it, and the log goes on in the next segment.
//
// Two segments are kept laid out behind the one in use. The last of them is the reserve: deliveries
// are written only while it stays untouched. So when no segment can be laid out (a full disk),
// deliveries are refused, and what frees space goes on. What compaction moves leaves a margin of
// what is laid out to deletions. A reserve that was used is laid out anew out of the first half of
// what the disk keeps back; the second half only when deletions have used that margin.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/io/reactor.h"
#include "storage/env/disk_room.h"
#include "storage/segment/preparer.h"

namespace poplar::storage {

enum class AppendOutcome : uint8_t {
  kDurable,
  kFull,       // Refused: no room.
  kTemporary,  // Refused for another reason.
  kUnknown,    // The write or flush failed: after a crash it may be found, or not.
};

// What of a full disk a record may use.
enum class LogRoom : uint8_t {
  kOrdinary,  // What is laid out, but for the reserve: deliveries.
  kReserve,   // The reserve, too, but for the margin: what compaction moves.
  kLast,      // And what the disk has left at all: deletions.
};

// One record on its way into the log.
class LogAppend {
 public:
  LogAppend() = default;
  LogAppend(const LogAppend&) = delete;
  LogAppend& operator=(const LogAppend&) = delete;
  virtual ~LogAppend() = default;

  // Filled by the owner but for the id, which ADD, ADD_REF and REMOVE get when they join a batch.
  // What its views point at stays until the answer.
  Record record;
  LogRoom room = LogRoom::kOrdinary;

 protected:
  friend class Log;
  virtual void Appended(AppendOutcome outcome, Lsn at) = 0;

 private:
  LogAppend* next_ = nullptr;
  Lsn at_;
};

struct alignas(base::kCacheLineBytes) LogMetrics {
  base::Counter batches;
  base::Counter written_bytes;
  base::Counter failed_batches;
  base::Counter refused;
  base::Counter segments_laid_out;
  base::Counter segments_failed;
  base::Histogram batch_records;
  base::Histogram flush_us;
  base::Gauge queued;

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

struct LogOptions {
  Env* env = nullptr;
  std::string directory;
  StoreId store_id{};
  uint32_t partition = 0;
  uint32_t epoch = 0;
  uint64_t segment_bytes = 64 * kMiB;
  uint64_t reserve_bytes = 0;     // Of the disk: ordinary segments leave it, a reserve takes half.
  DiskRoom* disk_room = nullptr;  // Null: nobody else lays anything out.
  uint32_t pace_us_per_mib = 0;
  const base::Clock* clock = nullptr;
};

// Where a log stands when a run begins.
struct LogStart {
  Lsn flushed;
  uint64_t next_id = 0;
  uint32_t next_segment = 1;
  OpenSegment active;
  OpenSegment reserve;  // With a higher number.
};

class Log {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // Before the first record of the segment is answered.
    virtual void SegmentBegun(const SegmentHead& head) = 0;
    // Nothing more is written to it; what stands at `end` or behind is not part of the log.
    virtual void SegmentEnded(uint32_t number, uint32_t end) = 0;
  };

  // REQUIRES: on the shard of `reactor`; `listener` and `pool` outlive the log.
  Log(const LogOptions& options, LogStart start, io::Reactor& reactor, io::OffloadPool& pool,
      Listener& listener);
  ~Log();

  void Append(LogAppend& append);
  // While held, nothing new is written; what came waits.
  void Hold(bool held);
  // While held: answers all that waits with `outcome`.
  void RefuseWaiting(AppendOutcome outcome);

  Lsn flushed() const { return flushed_; }
  // Segments before this one are never written again.
  uint32_t first_open_segment() const;
  // Where the next batch will stand; in a segment that is not begun yet if none is in use.
  uint64_t open_offset() const { return active_offset_; }
  // No segment can be laid out just now: deliveries are, or soon will be, refused for want of room.
  bool starved() const { return retry_at_us_ != 0 && prepared_.size() < kPreparedMax; }
  // What still fits before another segment must be laid out.
  uint64_t room_bytes() const;
  // Of that, what all others leave to deletions where no segment can be laid out.
  uint64_t margin_bytes() const;
  // Of the segments behind the one in use.
  uint64_t laid_out_bytes() const;
  // Somebody freed space: another try to lay out what is missing is worth it now.
  void SpaceFreed();
  uint64_t next_id() const { return next_id_; }
  uint64_t written_bytes() const { return metrics_.written_bytes.Read(); }
  bool idle() const {
    return batch_.empty() && queue_head_ == nullptr && !preparer_.busy() && !pump_.queued();
  }
  // No further segment is laid out. For the end.
  void BeginClose();
  // Segments that hold nothing, to be unlinked. REQUIRES: idle.
  std::vector<uint32_t> UnusedSegments() const;
  const LogMetrics& metrics() const { return metrics_; }

 private:
  static constexpr size_t kPreparedMax = 2;

  void Pump();
  // False: nothing that may be written now fits.
  bool TakeBatch();
  // Where it leaves so much of the segment in use.
  bool MayWrite(const LogAppend& append, uint64_t left_bytes) const;
  void LayOutBatch();
  bool Rotate();
  void Activate(OpenSegment segment);
  void Prepare();
  uint64_t FreeBytesFloor() const;
  bool PrepareLast();
  bool LayOutNext(uint64_t free_bytes_floor);
  void OnPrepared(StatusOr<OpenSegment> segment);
  void StartWrite();
  void OnWritten(int32_t result);
  void OnFlushed(int32_t result);
  void EndBatch(AppendOutcome outcome);
  // Answers those that may use no more than `room`.
  void Refuse(LogRoom room, AppendOutcome outcome);
  void Enqueue(LogAppend& append);
  // Empties the queue and gives its first.
  LogAppend* TakeQueue();

  const LogOptions options_;
  io::Reactor& reactor_;
  io::OffloadPool& pool_;
  Listener& listener_;

  Lsn flushed_;
  uint64_t next_id_;
  uint32_t next_segment_;

  OpenSegment active_;  // Without a file: none.
  uint64_t active_offset_ = 0;
  uint32_t next_sequence_ = 1;
  std::deque<OpenSegment> prepared_;  // By number; at most kPreparedMax.

  LogAppend* queue_head_ = nullptr;
  LogAppend* queue_tail_ = nullptr;
  bool held_ = false;
  bool closing_ = false;

  std::vector<LogAppend*> batch_;  // In flight; empty: none.
  uint64_t batch_bytes_ = 0;       // Padded.
  std::string scratch_;            // Heads and paddings of the batch.
  std::vector<iovec> pieces_;
  size_t piece_ = 0;
  uint64_t written_ = 0;
  uint64_t flush_began_us_ = 0;

  uint64_t retry_at_us_ = 0;  // After a failure to lay a segment out: not before.
  bool last_tried_ = false;   // Since then: to lay one out of the disk's last.
  AppendOutcome why_refused_ = AppendOutcome::kTemporary;

  LogMetrics metrics_;
  SegmentPreparer preparer_;
  DiskOpFor<&Log::OnWritten> write_op_{this};
  DiskOpFor<&Log::OnFlushed> flush_op_{this};
  io::WorkFor<&Log::Pump> pump_{this};
};

}  // namespace poplar::storage
