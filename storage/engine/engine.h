// The embedded store: partitions of logs, blobs and an index in one folder (FORMAT.md beside this
// folder). One process owns it.

#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/status.h"
#include "core/base/units.h"
#include "core/io/offload_pool.h"
#include "core/io/shard.h"
#include "storage/api/store.h"
#include "storage/engine/compaction_state.h"
#include "storage/engine/snapshot.h"
#include "storage/engine/stats.h"
#include "storage/env/env.h"
#include "storage/index/key_value.h"

namespace poplar::storage {

struct CreateOptions {
  uint32_t partitions = 0;  // 0: one a granted core, at most 16. Fixed for the store's life.
  Env* env = nullptr;       // Null: the system's disk.
  const base::Clock* clock = nullptr;  // Null: the system's.
};

struct StoreOptions {
  std::string path;

  uint64_t body_memory_bytes = 32 * kMiB;  // For arriving bodies, over all shards.
  uint64_t blob_bytes_min = kMiB;          // From here on a message is a blob.
  // For maildrop lists, over all partitions; a quarter of it for the pages of a checkpoint.
  uint64_t list_cache_bytes = 256 * kMiB;

  uint64_t segment_bytes = 64 * kMiB;
  uint64_t first_segment_bytes = 16 * kMiB;  // A run's first ones: a start waits for them.
  uint32_t segment_pace_us_per_mib = 2000;   // Rest while segments are laid out ahead.
  uint64_t reserve_bytes = 256 * kMiB;       // Of the disk, at least: see ReserveBytes. 0: nothing.

  uint64_t checkpoint_changes = 50'000;           // A checkpoint begins after so many changes,
  uint64_t checkpoint_log_bytes = 512 * kMiB;     // so many octets of log,
  uint64_t checkpoint_interval_ms = 30'000;       // or so long after the last.
  bool compact_by_itself = true;                  // Else where it is asked for, or on a full disk.
  uint64_t compact_bytes_per_second = 64 * kMiB;  // Read and written by compaction; 0: no limit.
  uint32_t compact_cpu_percent = 25;              // Of each shard's core; 0: no limit.
  uint64_t index_map_bytes = 64 * kGiB;           // Address space for each partition's index.

  uint64_t scrub_bytes_per_s = 0;           // Checking what is stored; 0: off.
  uint64_t scrub_interval_ms = 86'400'000;  // From pass to pass, at least.

  const PolicyBoard* policies = nullptr;    // Null: no quotas, nothing is kept or expires.
  uint64_t expiry_interval_ms = 3'600'000;  // From pass to pass of what keeps and expires mail.

  uint32_t messages_per_maildrop_max = kMessagesPerMaildropMax;  // At most that.
  uint32_t open_files_a_shard = 512;                             // Segments that are read.
  uint32_t recovery_threads = 4;

  Env* env = nullptr;                      // Null: the system's disk.
  KeyValueEngine* index_engine = nullptr;  // Null: LMDB.
  const base::Clock* clock = nullptr;      // Null: the system's.
};

// What a store of so many partitions leaves of the disk to deletions and the index: enough for each
// partition to lay out anew the segment that its deletions used, and one more.
inline uint64_t ReserveBytes(const StoreOptions& options, uint64_t partitions) {
  if (options.reserve_bytes == 0) return 0;
  return std::max(options.reserve_bytes, (partitions + 1) * options.segment_bytes);
}

// What an operator may ask of an open store beside serving. From a thread that is no shard's, one
// question at a time, not after Close.
class EngineStore : public Store {
 public:
  // Of all partitions together.
  virtual void SetScrubRate(uint64_t bytes_per_s) = 0;
  virtual StatusOr<StoreStats> Stats() = 0;
  // As SnapshotOpenStore.
  virtual StatusOr<SnapshotReport> Snapshot(const std::string& directory,
                                            const std::atomic<bool>& cancel) = 0;
  // See compaction_state.h.
  virtual void BeginCompaction() = 0;
  virtual CompactionState Compaction() = 0;
};

// Makes an empty store in `path`, which need not exist. kAlreadyExists: there is one. kDataLoss:
// something is there, perhaps what is left of one; nothing was touched.
Status CreateStore(const std::string& path, const CreateOptions& options);

// Recovers what a crash left and opens the store. Blocks; from a thread that is no shard's.
// `shards` and `disk` outlive the store; `disk` needs at least two threads, better four.
// kNotFound: no store there. kFailedPrecondition: in use by another process, or of a format that
// this build does not know. kDataLoss: the superblock and its copy are lost. Other damage is set
// aside, named in the log and counted.
StatusOr<std::unique_ptr<EngineStore>> OpenStore(const StoreOptions& options, io::ShardSet& shards,
                                                 io::OffloadPool& disk);

}  // namespace poplar::storage
