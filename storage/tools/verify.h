// Reads everything that a store holds, and says what is wrong with it: every checksum, and that
// every message of every list stands where the index says, in its record or its blob. Repairs
// nothing. Blocking, for hours where a store is large.

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
  uint64_t segment_bytes = 0;  // Read, of total_bytes.
  uint64_t total_bytes = 0;    // Of all segments.
  uint64_t records = 0;
  uint64_t maildrops = 0;
  uint64_t messages = 0;  // In lists.
  uint64_t blobs = 0;
  uint64_t blob_bytes = 0;
  uint64_t damages = 0;
};

struct VerifyOptions {
  std::string path;
  Env* env = nullptr;  // Null: the system's disk.
  uint64_t index_map_bytes = 64 * kGiB;
  KeyValueEngine* index_engine = nullptr;  // Null: LMDB.
  std::function<void(uint32_t partition, const Damage& damage)> on_damage;
  std::function<void(const VerifyReport& so_far)> on_progress;  // After each segment.
};

// Holds the store's lock meanwhile. kNotFound: no store is there. kFailedPrecondition: in use by a
// server, or of a format that this build does not know. Damage is no error: it is counted.
StatusOr<VerifyReport> VerifyStore(const VerifyOptions& options);

}  // namespace poplar::storage
