// Reads a partition's sealed segments and the blobs they name again and again, slowly, so that
// damage is found before somebody asks for what it hit, and while a backup still has it.
//
// It never hurries: pieces of 256 KiB on the disk pool, one at a time, within its rate; and what it
// read does not stay in the page cache unless it was there before. The index, of which it looks at
// the totals alone, is one piece however large, and the rest behind it as long. A pass takes every
// segment that was sealed when the pass began, from any one on, so that restarts do not favour the
// first ones; then it rests. Damage is named and counted once a place and run, if what it hit is
// still needed: a message that was deleted meanwhile, and is not kept, is nobody's loss.
//
// Lives on the partition's shard, a field of the partition.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/metrics.h"
#include "core/io/offload_pool.h"
#include "storage/engine/partition.h"
#include "storage/env/env.h"
#include "storage/segment/scanner.h"

namespace poplar::storage {

struct ScrubMetrics {
  base::Counter bytes;
  base::Counter passes;
  base::Counter damages;

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

struct ScrubOptions {
  Env* env = nullptr;
  std::string directory;  // Of the partition.
  uint32_t partition = 0;
  uint64_t bytes_per_s = 0;  // 0: off.
  uint64_t interval_us = 0;  // From the beginning of a pass to that of the next, at least.
};

class Scrub final : private io::OffloadJob, private MaildropWaiter {
 public:
  Scrub(ScrubOptions options, Partition& partition, io::Reactor& reactor, io::OffloadPool& disk)
      : options_(std::move(options)), partition_(partition), reactor_(reactor), disk_(disk) {}

  // Some times a second: goes on where it is time to.
  void OnTick();
  // Nothing new is begun. For the end.
  void Stop() { options_.bytes_per_s = 0; }
  bool idle() const { return !pending(); }
  void set_bytes_per_s(uint64_t bytes_per_s) { options_.bytes_per_s = bytes_per_s; }
  const ScrubMetrics& metrics() const { return metrics_; }

 private:
  class Findings;
  // A blob that a record names, and how far it was read.
  struct Blob {
    Damage damage;  // What to say of it.
    BlobId id{0};
    uint64_t wire_bytes = 0;
    uint64_t checksum = 0;
  };

  // --- On the shard.
  bool ChooseSegment(const SegmentTable& table);
  void EndSegment();
  void Done() override;
  void Judge();
  void MaildropReady(MaildropState* maildrop, const Status& why) override;
  void Name(const Damage& damage);

  // --- On the disk pool; what it uses is left alone by the shard meanwhile.
  void Work() override;
  void CheckIndex();
  void OpenSegment();
  void ReadPiece();
  void ReadBlob();
  void EndBlob(const char* why);
  std::string SegmentFile(uint32_t number) const;

  ScrubOptions options_;
  Partition& partition_;
  io::Reactor& reactor_;
  io::OffloadPool& disk_;
  ScrubMetrics metrics_;

  // The pass.
  uint64_t left_in_pass_ = 0;
  uint64_t pass_began_us_ = 0;
  bool passed_ = false;
  bool index_due_ = false;  // Of each pass the index is the first.
  uint32_t number_ = 0;     // The segment that is read, or was last.
  uint64_t end_ = 0;        // Where the log left it; what stands behind may be cut off meanwhile.
  uint64_t next_piece_us_ = 0;

  // The segment. It is pinned, and its file is open, only while a job reads: its space is never
  // kept from whoever needs it.
  bool reading_ = false;
  std::shared_ptr<const SegmentTable> pins_;
  std::unique_ptr<SegmentScanner> scanner_;  // Null: it was not begun.
  std::deque<Blob> blobs_;
  std::unique_ptr<StreamingChecksum> blob_sum_;  // Of the first of them; null: it was not begun.
  uint64_t blob_offset_ = 0;
  uint64_t piece_bytes_ = 0;  // Read by the last job.
  bool segment_done_ = false;
  std::vector<Damage> found_;

  // Damage whose message may be gone by now.
  std::deque<Damage> suspects_;
  bool judging_ = false;
  bool in_kept_ = false;                  // It is looked for in the list of kept mail.
  std::unordered_set<uint64_t> counted_;  // LSNs; of the index, 0.
};

}  // namespace poplar::storage
