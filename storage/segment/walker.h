// Reads a segment back: finds its batches, tells a torn tail from damage, hands out the records
// (FORMAT.md section 5). Pure: bytes in, records out; it believes nothing it reads. Any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/format/segment_format.h"

namespace poplar::storage {

// Something that had been promised and cannot be read.
struct Damage {
  Lsn at;
  uint64_t bytes = 0;
  std::string what;
  MaildropKey maildrop;  // Empty account when it cannot be told.
  MessageId id{0};
};

class LogVisitor {
 public:
  virtual ~LogVisitor() = default;
  // Before what is found in the batch: first its damages, then its records.
  virtual void OnBatch(const BatchHead& /*head*/, Lsn /*at*/) {}
  // The views in `record` end with the call.
  virtual void OnRecord(const Record& record, Lsn at) = 0;
  virtual void OnDamage(const Damage& damage) = 0;
};

struct WalkOptions {
  uint32_t segment = 0;
  uint64_t salt = 0;
  Lsn from;           // Records before it are known.
  Lsn end = kLsnMax;  // Where later segments say that the log leaves this one.
  Lsn proven;         // What lies before it had been flushed.
};

struct WalkResult {
  Lsn end;               // Where the log ends, or went on in the next segment.
  uint64_t next_id = 0;  // Above every id that a batch head names; 0 without one.
  uint32_t batches = 0;
  bool torn = false;  // A torn tail was dropped at `end`.
};

// `bytes` is the whole segment, or as much of it as can be read.
WalkResult WalkSegment(std::string_view bytes, const WalkOptions& options, LogVisitor& visitor);

// The head of a segment's first batch, which says where the log before the segment ends. `bytes`
// begins at kFirstBatchOffset. The salt is optional because a segment whose own head is damaged
// takes it from here.
std::optional<BatchHead> ReadFirstBatch(std::string_view bytes, uint32_t segment,
                                        std::optional<uint64_t> salt);

}  // namespace poplar::storage
