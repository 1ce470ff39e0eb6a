// Reads the records of a segment that the log has left, in order and a piece at a time, so that a
// whole segment never stands in memory. Unlike WalkSegment it searches for nothing: what is not as
// it was written is an error. Blocking; any thread, one at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "storage/env/env.h"
#include "storage/format/segment_format.h"

namespace poplar::storage {

struct PlacedRecord {
  Record record;  // With its body. The views end with the next call.
  Lsn at;
};

class BatchReader {
 public:
  // `end`: the offset at which the log left the segment.
  BatchReader(std::unique_ptr<File> file, uint32_t segment, uint64_t salt, uint64_t end)
      : file_(std::move(file)), segment_(segment), salt_(salt), end_(end) {}

  // The records of the next batches, at least one and about `piece_bytes` of them. kDataLoss:
  // damage, which the message places; then the reader is of no more use.
  Status Next(uint64_t piece_bytes, std::vector<PlacedRecord>& records);
  bool at_end() const { return at_ >= end_; }
  uint64_t read_bytes() const { return read_bytes_; }

 private:
  // Makes [at_, at_ + bytes) the buffer's content, as far as the segment goes.
  Status Fill(uint64_t bytes);
  Status DecodeBatch(uint64_t offset, uint64_t end, std::vector<PlacedRecord>& records) const;
  Status Damaged(uint64_t offset, std::string_view what) const;

  const std::unique_ptr<File> file_;
  const uint32_t segment_;
  const uint64_t salt_;
  const uint64_t end_;
  uint64_t at_ = kFirstBatchOffset;
  uint64_t read_bytes_ = 0;
  std::string buffer_;  // From at_ on.
};

}  // namespace poplar::storage
