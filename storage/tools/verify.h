// Reads everything that a store holds, and says what is wrong with it: every checksum; that every
// message of every list stands where the index says, in its record or its blob, and is what the
// index says; and the index's own sums. Changes no file, so it also reads a store on a file system
// that cannot be written, one that never served, and a snapshot. What a crash leaves (a torn tail,
// links without a record) is no damage. Blocking, for hours where a store is large.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/base/status.h"
#include "core/base/units.h"
#include "storage/env/env.h"
#include "storage/index/key_value.h"
#include "storage/segment/walker.h"

namespace poplar::storage {

struct VerifyReport {
  uint64_t partitions = 0;
  uint64_t segments = 0;
  uint64_t segment_bytes = 0;
  uint64_t records = 0;
  uint64_t messages = 0;       // Living, in lists or in the log behind the checkpoint.
  uint64_t maildrops = 0;      // That hold one of these.
  uint64_t kept_messages = 0;  // Deleted, and kept.
  uint64_t blobs = 0;
  uint64_t blob_bytes = 0;
  uint64_t damages = 0;  // One that lies within one message's record counts once, as its.
};

// How far it is: partitions are read one behind the other.
struct VerifyProgress {
  uint32_t partition = 0;
  uint32_t partitions = 0;
  uint64_t bytes_read = 0;  // Of this partition's segments and blobs.
  uint64_t bytes_total = 0;

  double share() const {
    const double within =
        bytes_total == 0 ? 1 : static_cast<double>(bytes_read) / static_cast<double>(bytes_total);
    return (partition + (within < 1 ? within : 1)) / partitions;
  }
};

struct VerifyOptions {
  std::string path;
  Env* env = nullptr;  // Null: the system's disk.
  uint64_t index_map_bytes = 64 * kGiB;
  KeyValueEngine* index_engine = nullptr;  // Null: LMDB.
  std::function<void(uint32_t partition, const Damage& damage)> on_damage;
  std::function<void(const VerifyProgress& progress)> on_progress;  // Often.
};

// Keeps the store's owner out meanwhile. kNotFound: no store is there. kFailedPrecondition: in use
// by a server, or of a format that this build does not know. Damage is no error: it is counted.
StatusOr<VerifyReport> VerifyStore(const VerifyOptions& options);

}  // namespace poplar::storage
