// Reads a sealed segment back in pieces, with memory for one piece, and checks what stands in it.
// For whoever reads slowly; WalkSegment reads at once, and knows what was promised. Pure: bytes in,
// records and damage out; it believes nothing it reads. Any thread.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "storage/format/checksum.h"
#include "storage/format/segment_format.h"
#include "storage/segment/walker.h"

namespace poplar::storage {

class SegmentScanner {
 public:
  // A piece is at least so long, unless the log leaves the segment before.
  static constexpr uint64_t kPieceBytesMin = kRecordHeadBytesMax;

  // `end`: the offset where the log leaves the segment. What lies before it had been flushed.
  SegmentScanner(uint32_t segment, uint64_t salt, uint64_t end)
      : segment_(segment), salt_(salt), end_(end) {}

  // Where the next piece begins.
  uint64_t offset() const { return offset_; }
  uint64_t end() const { return end_; }
  bool done() const { return body_left_ == 0 && offset_ >= end_; }

  // Takes what it can use of `piece`, which begins at offset(). Sound records come without their
  // body; what a record names elsewhere (a blob) is the visitor's to check.
  void Feed(std::string_view piece, LogVisitor& visitor);

 private:
  // False: what is left of the piece is too short to tell.
  bool Step(std::string_view left, LogVisitor& visitor);
  bool FeedBody(std::string_view left, LogVisitor& visitor);
  bool BeginBatch(std::string_view left, LogVisitor& visitor);
  bool BeginRecord(std::string_view left, LogVisitor& visitor);
  void EndRecord(LogVisitor& visitor);
  void SkipUnreadable(std::string_view left);
  // What was unreadable ends at `to`.
  void NameLost(uint64_t to, LogVisitor& visitor);

  const uint32_t segment_;
  const uint64_t salt_;
  const uint64_t end_;
  uint64_t offset_ = kFirstBatchOffset;
  uint64_t batch_end_ = 0;  // Unpadded; 0: between batches, or in a gap where one should be.

  uint64_t lost_from_ = 0;  // 0: all was readable.
  bool lost_batch_ = false;

  // The record whose body is read.
  Record record_;
  Lsn record_at_;
  std::string account_, text_;
  uint64_t body_left_ = 0;
  std::unique_ptr<StreamingChecksum> body_;
};

}  // namespace poplar::storage
