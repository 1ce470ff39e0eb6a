// The segments of a partition as snapshots see them, and how one goes (FORMAT.md section 8): it was
// emptied; a checkpoint covers what took the place of its records, and no new snapshot lists it;
// the last snapshot that does has ended; no shard has it open; it is unlinked.
//
// Lives on its partition's shard.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/io/offload_pool.h"
#include "core/io/shard.h"
#include "storage/engine/segment_table.h"
#include "storage/env/env.h"
#include "storage/index/maildrop_table.h"

namespace poplar::storage {

// What keeps segment files open for reading, shard by shard.
class OpenSegments {
 public:
  virtual ~OpenSegments() = default;
  // Called on `shard`.
  virtual void Forget(ShardIndex shard, uint32_t partition, uint32_t segment) = 0;
};

struct SegmentKeeperOptions {
  Env* env = nullptr;
  std::string directory;  // Of the log.
  uint32_t partition = 0;
  OpenSegments* open_segments = nullptr;
};

class SegmentKeeper {
 public:
  // Told after a segment was unlinked, durably.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void SegmentGone(uint32_t number) = 0;
    // Told when a segment could not be unlinked the first time. It is tried again, ever more
    // rarely.
    virtual void SegmentStays(uint32_t number) = 0;
  };

  // Begins with the segments that `table` knows.
  SegmentKeeper(SegmentKeeperOptions options, MaildropTable& table, io::Shard& shard,
                io::OffloadPool& disk, Listener& listener);
  ~SegmentKeeper();

  // For a snapshot that is made now.
  const std::shared_ptr<const SegmentTable>& segments() const { return segments_; }
  void Add(SegmentRef segment);

  // Nothing in it is needed any more once the index knows everything before `covered`.
  void Emptied(uint32_t number, Lsn covered);
  bool emptied(uint32_t number) const { return emptied_.contains(number); }
  // Some were emptied and are to go yet; those that could not be unlinked do not count.
  bool awaits_unlinking() const;
  // Emptied segments wait for a checkpoint.
  bool wants_checkpoint() const { return waiting_ > 0; }
  // The index knows everything before `checkpoint`.
  void Checkpointed(Lsn checkpoint);

  // Begins to unlink a segment that nobody needs. Cheap; for the tick.
  void Look();
  // Look has begun with one, or would.
  bool unlinking();
  bool idle() const { return !going_; }

 private:
  class ForgetCall;
  class UnlinkJob;

  struct EmptiedSegment {
    std::optional<Lsn> covered;  // What a checkpoint must cover first; nothing when one did.
    uint32_t failures = 0;       // Of unlinking it.
    uint64_t not_before_us = 0;
  };

  void Publish(SegmentTable table);
  bool Held(uint32_t number);
  // One that may go now.
  std::optional<uint32_t> Next();
  void OnForgotten();
  void OnUnlinked();

  const SegmentKeeperOptions options_;
  MaildropTable& table_;
  io::Shard& shard_;
  io::OffloadPool& disk_;
  Listener& listener_;
  std::shared_ptr<const SegmentTable> segments_;
  std::vector<std::weak_ptr<const SegmentTable>> earlier_;  // Maybe still held.

  std::map<uint32_t, EmptiedSegment> emptied_;  // By number.
  size_t waiting_ = 0;
  uint32_t going_number_ = 0;
  bool going_ = false;
  size_t forgetting_ = 0;
  std::vector<std::unique_ptr<ForgetCall>> forget_;  // One a shard.
  std::unique_ptr<UnlinkJob> unlink_;
};

}  // namespace poplar::storage
