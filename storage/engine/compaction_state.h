// Compaction as an operator asks for it: everything that can be gained, at once. Of an open store;
// a thread that is no shard's.

#pragma once

#include <cstdint>

namespace poplar::storage {

struct EngineContext;

// Of all partitions, as of now.
struct CompactionState {
  bool running = false;     // What BeginCompaction began goes on.
  uint64_t log_bytes = 0;   // Of segments on disk; those laid out ahead are not counted.
  uint64_t live_bytes = 0;  // Of these: records whose message exists.
  uint64_t kept = 0;        // Segments that stay as they are: damaged, or they could not be read.
  // Segments since the store was opened, whoever asked for it.
  uint64_t emptied = 0;
  uint64_t unlinked = 0;
  uint64_t failures = 0;
};

// Takes everything that can be gained in every partition, without a budget: segments are emptied,
// covered by checkpoints and unlinked, as far as no session still sees them. It goes on by itself;
// a write that the disk fails ends it in the partition that it hit. Begun again: goes on.
void BeginCompaction(EngineContext& context);

CompactionState ReadCompaction(EngineContext& context);

}  // namespace poplar::storage
