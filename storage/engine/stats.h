// What a store holds, in numbers, for an operator: of a store that nobody serves, read from its
// index, or of an open one, where segments are as of now and all else as of the last checkpoint.
// How much of the log stands behind that is told: a snapshot's, or of a run that was killed, is
// counted by the next start only. Segments that are laid out ahead and hold nothing are not
// counted. Blocking; a thread that is no shard's.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/base/units.h"
#include "storage/env/env.h"
#include "storage/format/superblock.h"
#include "storage/index/index.h"

namespace poplar::storage {

struct EngineContext;

struct PartitionStats {
  uint64_t segments = 0;
  uint64_t segment_bytes = 0;  // Room that the log has not reached yet included.
  uint64_t written_bytes = 0;  // Heads, records, and what fills their blocks.
  uint64_t live_bytes = 0;     // Of records whose message still exists.
  IndexSums index;
  uint32_t epoch = 0;  // Of the run that wrote the checkpoint: seconds since 1970, or one more
                       // than the run before.
  Lsn checkpoint;
  uint64_t log_behind_bytes = 0;  // Behind the checkpoint, so `index` does not count it.

  // Of what was written, what no message needs; 0 to 1.
  double dead_share() const;
  // Adds everything that can be summed.
  void Add(const PartitionStats& other);
};

struct StoreStats {
  std::string path;
  Superblock superblock;
  bool open = false;  // By this process.
  std::vector<PartitionStats> partitions;

  PartitionStats Total() const;
};

struct StatsOptions {
  std::string path;
  Env* env = nullptr;  // Null: the system's disk.
  uint64_t index_map_bytes = 64 * kGiB;
};

// Changes no file, keeps the store's owner out meanwhile. kNotFound: no store is there.
// kFailedPrecondition: in use by a server, or of an unknown format. kDataLoss: an index is damaged.
StatusOr<StoreStats> ReadStoreStats(const StatsOptions& options);

// Of an open store. REQUIRES: it is not closed meanwhile.
StatusOr<StoreStats> OpenStoreStats(EngineContext& context);

}  // namespace poplar::storage
