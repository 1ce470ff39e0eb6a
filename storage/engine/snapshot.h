// A consistent copy of a store in a folder of its own, on the same file system: sealed segments and
// blobs are hard links (their bytes never change), the log's end and the indexes are copied. It is
// a store itself, as a crash would have left it: everything that was acknowledged before it began
// is in it. What is acknowledged meanwhile may be.
//
// A partition is held for as long as its links are made: neither a checkpoint begins nor is a file
// unlinked; deliveries, deletions and compaction go on. Its index is copied afterwards, from the
// checkpoint that stood then. A linked segment may still be cut at its end, which is one file here
// and there: nothing that stands behind it belongs to the log.
//
// What a damaged disk has lost (a segment that the index names, a blob that goes while it is
// linked, an unsound index) is left out, named in the log (`store_snapshot_missing`) and counted.
// The copy opens all the same, as the store does.
//
// It grows under the name DIR.unfinished, is flushed, and renamed at the end; one that failed is
// removed. Blocking; a thread that is no shard's.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/base/status.h"
#include "core/base/units.h"
#include "storage/env/env.h"

namespace poplar::storage {

struct EngineContext;

struct SnapshotReport {
  uint64_t segments = 0;      // Linked or copied.
  uint64_t blobs = 0;         // Linked.
  uint64_t copied_bytes = 0;  // Of log; the indexes come on top.
  uint64_t missing = 0;       // Files and indexes that could not be had, and are left out.
};

// Of an open store. kAlreadyExists: `directory` is there. kFailedPrecondition: it would be on
// another file system. kCancelled: `cancel` became true. REQUIRES: the store is not closed
// meanwhile; one snapshot at a time.
StatusOr<SnapshotReport> SnapshotOpenStore(EngineContext& context, const std::string& directory,
                                           const std::atomic<bool>& cancel);

struct SnapshotOptions {
  std::string path;       // Of the store.
  std::string directory;  // Of the copy.
  Env* env = nullptr;     // Null: the system's disk.
  uint64_t index_map_bytes = 64 * kGiB;
};

// Of a store that nobody serves: changes no file of it, keeps its owner out meanwhile. Errors as
// above; kNotFound: no store is there; kFailedPrecondition also: in use, or of an unknown format.
StatusOr<SnapshotReport> SnapshotClosedStore(const SnapshotOptions& options);

}  // namespace poplar::storage
