#include "storage/segment/log.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/probes.h"

namespace poplar::storage {
namespace {

constexpr size_t kBatchRecordsMax = 256;
static_assert(2 * kBatchRecordsMax + 1 <= 1024);  // IOV_MAX: head and body of each, and the end.
constexpr uint64_t kBatchBytesMax = 8 * kMiB;
constexpr uint64_t kRetryAfterUs = 1'000'000;
constexpr size_t kReserve = 1;  // So many of them deliveries must leave alone.
constexpr uint64_t kMarginBytesMax = kMiB;
constexpr uint64_t kMarginShare = 8;  // Of a segment, where it is small.

bool TakesId(const Record& record) {
  return record.kind == RecordKind::kAdd || record.kind == RecordKind::kAddRef ||
         (record.kind == RecordKind::kRemove && !record.carried());
}

}  // namespace

void LogMetrics::Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const {
  registry.Add(batches, "poplar_store_batches_total", "Batches flushed to the logs.", labels);
  registry.Add(written_bytes, "poplar_store_log_bytes_total",
               "Octets appended to the logs, padding included.", labels);
  registry.Add(failed_batches, "poplar_store_failed_batches_total",
               "Batches whose write or flush failed.", labels);
  registry.Add(refused, "poplar_store_refused_records_total",
               "Records refused for want of room or memory.", labels);
  registry.Add(segments_laid_out, "poplar_store_segments_laid_out_total",
               "Segments laid out ahead of their use.", labels);
  registry.Add(segments_failed, "poplar_store_segment_failures_total",
               "Segments that could not be laid out.", labels);
  registry.Add(batch_records, 1, "poplar_store_batch_records", "Records in one flush.", labels);
  registry.Add(flush_us, 1e-6, "poplar_store_flush_seconds",
               "From a batch's write to the end of its flush.", labels);
  registry.Add(queued, "poplar_store_queued_records", "Records that wait for a batch.", labels);
}

Log::Log(const LogOptions& options, LogStart start, io::Reactor& reactor, io::OffloadPool& pool,
         Listener& listener)
    : options_(options),
      reactor_(reactor),
      pool_(pool),
      listener_(listener),
      flushed_(start.flushed),
      next_id_(start.next_id),
      next_segment_(start.next_segment),
      preparer_(this, [](void* log, StatusOr<OpenSegment> segment) {
        static_cast<Log*>(log)->OnPrepared(std::move(segment));
      }) {
  POP_CHECK(start.active.head.number < start.reserve.head.number);
  Activate(std::move(start.active));
  prepared_.push_back(std::move(start.reserve));
  Prepare();
}

Log::~Log() { POP_CHECK(idle()); }

void Log::Append(LogAppend& append) {
  // What no fresh segment could hold would wait for ever.
  if (kBatchHeadBytes + append.record.log_bytes() > options_.segment_bytes - kFirstBatchOffset) {
    metrics_.refused.Add();
    append.Appended(AppendOutcome::kFull, Lsn());
    return;
  }
  Enqueue(append);
  if (batch_.empty()) reactor_.AtTurnEnd(pump_);
}

void Log::Enqueue(LogAppend& append) {
  append.next_ = nullptr;
  (queue_tail_ == nullptr ? queue_head_ : queue_tail_->next_) = &append;
  queue_tail_ = &append;
  metrics_.queued.Add(1);
}

LogAppend* Log::TakeQueue() {
  queue_tail_ = nullptr;
  metrics_.queued.Set(0);
  return std::exchange(queue_head_, nullptr);
}

void Log::Hold(bool held) {
  const bool was_held = std::exchange(held_, held);
  if (was_held && !held_) reactor_.AtTurnEnd(pump_);
}

void Log::Pump() {
  Prepare();
  while (queue_head_ != nullptr && batch_.empty() && !held_) {
    if (active_.file != nullptr && TakeBatch()) {
      LayOutBatch();
      StartWrite();
    } else if (!Rotate()) {
      return;
    }
  }
}

bool Log::MayWrite(const LogAppend& append, uint64_t left_bytes) const {
  if (append.room == LogRoom::kLast || prepared_.size() >= kReserve) return true;
  return append.room == LogRoom::kReserve && left_bytes >= margin_bytes();
}

bool Log::TakeBatch() {
  uint64_t bytes = kBatchHeadBytes;
  const uint64_t room = active_.head.bytes - active_offset_;
  bool full = false;
  for (LogAppend* append = TakeQueue(); append != nullptr;) {
    LogAppend* const next = append->next_;
    const uint64_t with_this = bytes + append->record.log_bytes();
    const bool fits = with_this <= room && batch_.size() < kBatchRecordsMax &&
                      (batch_.empty() || with_this <= kBatchBytesMax);
    const uint64_t left = room - std::min(room, RoundUp(with_this, kBlockBytes));
    if (!full && fits && MayWrite(*append, left)) {
      bytes = with_this;
      batch_.push_back(append);
    } else {
      full = full || !fits;  // Nothing overtakes what found no room.
      Enqueue(*append);
    }
    append = next;
  }
  return !batch_.empty();
}

void Log::LayOutBatch() {
  uint64_t scratch_bytes = kBatchHeadBytes;
  uint64_t bytes = kBatchHeadBytes;
  for (const LogAppend* append : batch_) {
    const uint64_t log_bytes = append->record.log_bytes();
    scratch_bytes += log_bytes - append->record.body_bytes;
    bytes += log_bytes;
  }
  batch_bytes_ = RoundUp(bytes, kBlockBytes);
  scratch_bytes += batch_bytes_ - bytes;
  scratch_.assign(scratch_bytes, '\0');
  pieces_.clear();

  char* const scratch = scratch_.data();
  uint64_t at = kBatchHeadBytes;  // In the scratch.
  uint64_t piece_at = 0;
  uint64_t offset = active_offset_ + kBatchHeadBytes;
  for (LogAppend* append : batch_) {
    Record& record = append->record;
    if (TakesId(record)) record.id = MessageId(next_id_++);
    append->at_ = Lsn(active_.head.number, offset);
    EncodeRecordHead(record, append->at_, active_.head.salt, scratch + at);
    at += record.head_bytes();
    if (record.body_bytes > 0) {
      pieces_.push_back({scratch + piece_at, at - piece_at});
      pieces_.push_back({const_cast<char*>(record.body.data()), record.body_bytes});
      piece_at = at;
    }
    at += record.log_bytes() - record.head_bytes() - record.body_bytes;
    offset += record.log_bytes();
  }
  if (piece_at < scratch_bytes) {
    pieces_.push_back({scratch + piece_at, scratch_bytes - piece_at});
  }
  BatchHead head;
  head.records = static_cast<uint32_t>(batch_.size());
  head.bytes = static_cast<uint32_t>(bytes);
  head.sequence = next_sequence_++;
  head.salt = active_.head.salt;
  head.flushed = flushed_;
  head.next_id = next_id_;
  head.time_us = options_.clock->WallUs();
  EncodeBatchHead(head, Lsn(active_.head.number, active_offset_), scratch);
}

void Log::StartWrite() {
  piece_ = 0;
  written_ = 0;
  flush_began_us_ = options_.clock->MonotonicUs();
  active_.file->StartWrite(reactor_, write_op_, pieces_, active_offset_);
}

void Log::OnWritten(int32_t result) {
  if (result <= 0) {
    base::Log(base::LogLevel::kError, "store_write_failed",
              {{"partition", options_.partition},
               {"segment", SegmentName(active_.head.number)},
               {"why", ErrnoStatus(result == 0 ? EIO : -result, "write").ToString()}});
    EndBatch(AppendOutcome::kUnknown);
    return;
  }
  written_ += static_cast<uint64_t>(result);
  if (written_ == batch_bytes_) {
    active_.file->StartSyncData(reactor_, flush_op_);
    return;
  }
  // Fewer octets than asked are no failure: the rest follows.
  uint64_t skip = static_cast<uint64_t>(result);
  while (skip >= pieces_[piece_].iov_len) skip -= pieces_[piece_++].iov_len;
  iovec& piece = pieces_[piece_];
  piece = {static_cast<char*>(piece.iov_base) + skip, piece.iov_len - skip};
  active_.file->StartWrite(reactor_, write_op_, std::span(pieces_).subspan(piece_),
                           active_offset_ + written_);
}

void Log::OnFlushed(int32_t result) {
  if (result < 0) {
    base::Log(base::LogLevel::kError, "store_flush_failed",
              {{"partition", options_.partition},
               {"segment", SegmentName(active_.head.number)},
               {"why", ErrnoStatus(-result, "fdatasync").ToString()}});
    EndBatch(AppendOutcome::kUnknown);
    return;
  }
  const uint64_t took_us = options_.clock->MonotonicUs() - flush_began_us_;
  metrics_.flush_us.Observe(took_us);
  POPLAR_PROBE_FLUSH(options_.partition, batch_.size(), batch_bytes_, took_us);
  metrics_.batches.Add();
  metrics_.batch_records.Observe(batch_.size());
  metrics_.written_bytes.Add(batch_bytes_);
  active_offset_ += batch_bytes_;
  flushed_ = Lsn(active_.head.number, active_offset_);
  EndBatch(AppendOutcome::kDurable);
}

void Log::EndBatch(AppendOutcome outcome) {
  if (outcome != AppendOutcome::kDurable) {
    metrics_.failed_batches.Add();
    listener_.SegmentEnded(active_.head.number, static_cast<uint32_t>(active_offset_));
    active_ = {};  // Sealed where it was last flushed; the next segment's first batch says so.
  }
  for (LogAppend* append : std::exchange(batch_, {})) append->Appended(outcome, append->at_);
  reactor_.AtTurnEnd(pump_);
}

// Makes room for the first in the queue. False: nothing goes on before OnPrepared, or at all.
bool Log::Rotate() {
  const auto activate_next = [this] {
    OpenSegment next = std::move(prepared_.front());
    prepared_.pop_front();
    if (active_.file != nullptr)
      listener_.SegmentEnded(active_.head.number, static_cast<uint32_t>(active_offset_));
    Activate(std::move(next));
    Prepare();
    return true;
  };
  if (prepared_.size() > kReserve) return activate_next();
  if (preparer_.busy()) {
    preparer_.Hurry();
    return false;
  }
  // Nothing can be laid out. Deliveries end here; what frees space may take the reserve.
  const LogRoom room = queue_head_->room;
  if (room != LogRoom::kOrdinary && !prepared_.empty()) {
    base::Log(base::LogLevel::kError, "store_reserve_in_use", {{"partition", options_.partition}});
    return activate_next();
  }
  if (room == LogRoom::kLast && PrepareLast()) return false;
  Refuse(room, why_refused_);
  return queue_head_ != nullptr;
}

void Log::Activate(OpenSegment segment) {
  active_ = std::move(segment);
  active_offset_ = kFirstBatchOffset;
  next_sequence_ = 1;
  listener_.SegmentBegun(active_.head);
}

void Log::Prepare() {
  if (prepared_.size() >= kPreparedMax || closing_ || preparer_.busy() ||
      reactor_.now_us() < retry_at_us_) {
    return;
  }
  last_tried_ = false;
  (void)LayOutNext(FreeBytesFloor());
}

uint64_t Log::FreeBytesFloor() const {
  if (!prepared_.empty()) return options_.reserve_bytes;
  // The rest is for deletions, which soon find no room.
  return room_bytes() < margin_bytes() ? 0 : options_.reserve_bytes / 2;
}

// For a deletion that finds no room. False: nothing is under way, as there is none on the disk.
bool Log::PrepareLast() {
  if (closing_ || std::exchange(last_tried_, true)) return false;
  return LayOutNext(0);
}

bool Log::LayOutNext(uint64_t free_bytes_floor) {
  SegmentLayout layout;
  layout.env = options_.env;
  layout.directory = options_.directory;
  layout.head.store_id = options_.store_id;
  layout.head.partition = options_.partition;
  layout.head.number = next_segment_++;
  layout.head.epoch = options_.epoch;
  layout.head.salt = options_.env->Random();
  layout.head.bytes = options_.segment_bytes;
  layout.head.created_us = options_.clock->WallUs();
  layout.free_bytes_floor = free_bytes_floor;
  layout.disk_room = options_.disk_room;
  layout.pace_us_per_mib = options_.pace_us_per_mib;
  if (preparer_.Start(pool_, reactor_, std::move(layout))) return true;
  why_refused_ = AppendOutcome::kTemporary;
  retry_at_us_ = reactor_.now_us() + kRetryAfterUs / 10;
  return false;
}

void Log::OnPrepared(StatusOr<OpenSegment> segment) {
  if (segment.ok()) {
    metrics_.segments_laid_out.Add();
    prepared_.push_back(std::move(*segment));
    retry_at_us_ = 0;
  } else {
    metrics_.segments_failed.Add();
    retry_at_us_ = reactor_.now_us() + kRetryAfterUs;
    why_refused_ = segment.status().code() == StatusCode::kResourceExhausted
                       ? AppendOutcome::kFull
                       : AppendOutcome::kTemporary;
    base::Log(base::LogLevel::kError, "store_segment_failed",
              {{"partition", options_.partition}, {"why", segment.status().ToString()}});
  }
  reactor_.AtTurnEnd(pump_);
}

void Log::Refuse(LogRoom room, AppendOutcome outcome) {
  for (LogAppend* append = TakeQueue(); append != nullptr;) {
    LogAppend* const next = append->next_;
    if (append->room > room) {
      Enqueue(*append);
    } else {
      metrics_.refused.Add();
      append->Appended(outcome, Lsn());
    }
    append = next;
  }
}

void Log::RefuseWaiting(AppendOutcome outcome) { Refuse(LogRoom::kLast, outcome); }

uint32_t Log::first_open_segment() const {
  if (active_.file != nullptr) return active_.head.number;
  return prepared_.empty() ? next_segment_ : prepared_.front().head.number;
}

uint64_t Log::laid_out_bytes() const {
  uint64_t bytes = 0;
  for (const OpenSegment& segment : prepared_) bytes += segment.head.bytes;
  return bytes;
}

uint64_t Log::room_bytes() const {
  uint64_t bytes = active_.file == nullptr ? 0 : active_.head.bytes - active_offset_;
  for (const OpenSegment& segment : prepared_) bytes += segment.head.bytes - kFirstBatchOffset;
  return bytes;
}

uint64_t Log::margin_bytes() const {
  return std::min(kMarginBytesMax, options_.segment_bytes / kMarginShare);
}

void Log::SpaceFreed() {
  if (retry_at_us_ == 0) return;
  retry_at_us_ = reactor_.now_us();
  reactor_.AtTurnEnd(pump_);
}

void Log::BeginClose() {
  closing_ = true;
  preparer_.Hurry();
}

std::vector<uint32_t> Log::UnusedSegments() const {
  std::vector<uint32_t> unused;
  if (active_.file != nullptr && active_offset_ == kFirstBatchOffset) {
    unused.push_back(active_.head.number);
  }
  for (const OpenSegment& segment : prepared_) unused.push_back(segment.head.number);
  return unused;
}

}  // namespace poplar::storage
