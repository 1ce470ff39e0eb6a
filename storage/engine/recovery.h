// Brings one partition back after its run ended, in order or not (FORMAT.md section 5). Blocking;
// on a thread of its own, before the shards see the partition.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/base/status.h"
#include "storage/env/env.h"
#include "storage/format/superblock.h"
#include "storage/index/index.h"
#include "storage/index/maildrop_table.h"

namespace poplar::storage {

struct RecoveryOptions {
  Env* env = nullptr;
  std::string directory;  // Of the partition.
  Superblock superblock;
  uint32_t partition = 0;
  uint64_t cache_bytes_max = 0;
  uint64_t checkpoint_changes = 0;
  uint64_t checkpoint_maildrops = UINT64_MAX;
  uint64_t index_map_bytes = 0;
  KeyValueEngine* index_engine = nullptr;
  // After each segment: octets read of those that must be.
  std::function<void(uint64_t bytes_read, uint64_t bytes_total)> on_progress;
};

struct RecoveredPartition {
  std::unique_ptr<Index> index;
  std::unique_ptr<MaildropTable> table;
  Lsn end;               // Where the log ends.
  uint64_t next_id = 0;  // Above every id that was given.
  uint32_t epoch = 0;    // The greatest seen.
  int64_t known_us = 0;  // The time that the last run went by, if the index knows.
  uint32_t next_segment = 1;
  uint64_t records = 0;  // Replayed,
  uint64_t bytes = 0;    // from so much log behind the last checkpoint.
  uint64_t damages = 0;
  bool rebuilt = false;     // The index was made anew.
  uint64_t blobs_kept = 0;  // That no record names.
};

// Looks whether everything that RecoverPartition would read is of a format that this build knows,
// and changes nothing. kFailedPrecondition: no.
Status CheckFormats(const RecoveryOptions& options);
// The same of the log alone, from `checkpoint` on.
Status CheckLogFormat(const RecoveryOptions& options, Lsn checkpoint);

StatusOr<RecoveredPartition> RecoverPartition(const RecoveryOptions& options);

}  // namespace poplar::storage
