// Makes a partition's index anew from its segments and blobs alone, as a start does where the index
// is unsound (FORMAT.md section 5): what was deleted stays deleted. The old index is set aside
// first, unread, and comes back if the new one cannot be made. An interrupted rebuild is finished
// by the next start. Blocking.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/base/units.h"
#include "storage/env/env.h"
#include "storage/index/index.h"

namespace poplar::storage {

struct RebuiltIndex {
  uint32_t partition = 0;
  IndexSums after;
  uint64_t records = 0;  // Read from the log.
  uint64_t damages = 0;  // Named in the log of this process.
  std::string aside;     // Where the old index is; empty: it was discarded.
};

struct RebuildOptions {
  std::string path;
  std::optional<uint32_t> partition;  // Nothing: all.
  bool discard_old = false;
  Env* env = nullptr;  // Null: the system's disk.
  uint64_t index_map_bytes = 64 * kGiB;
  uint64_t list_cache_bytes = 256 * kMiB;
  uint64_t checkpoint_changes = 100'000;
  std::function<void(uint32_t partition, uint64_t bytes_read, uint64_t bytes_total)> on_progress;
};

// Owns the store meanwhile. kNotFound: no store is there. kFailedPrecondition: in use by somebody
// else, or of a format that this build does not know. kInvalidArgument: no such partition.
StatusOr<std::vector<RebuiltIndex>> RebuildIndexes(const RebuildOptions& options);

}  // namespace poplar::storage
