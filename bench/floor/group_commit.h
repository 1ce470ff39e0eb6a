// The least that a durable delivery can cost: producers that each hand over one record and wait
// until it is flushed, and one writer a file that takes all that wait, writes it and flushes once.
// The limits of a batch are those of storage/segment/log.cc. No protocol, no index, no checksum.

#pragma once

#include <cstdint>
#include <string>

#include "core/base/status.h"

namespace poplar::bench_floor {

struct GroupCommitOptions {
  std::string directory;  // Of the disk that is measured; files are made there and removed.
  uint32_t files = 1;     // One writer thread each.
  uint32_t producers = 1;
  uint64_t record_bytes = 8192;
  double seconds = 1;
  uint64_t file_bytes = uint64_t{64} << 20;
};

struct GroupCommitResult {
  uint64_t records = 0;
  uint64_t flushes = 0;
  double seconds = 0;
  double cpu_seconds = 0;  // Of the whole process, meanwhile.
};

// Lays the files out (zeros, flushed), then runs for the time asked. A file that is full is begun
// anew: its blocks are there, so that an append changes no metadata. Blocks.
StatusOr<GroupCommitResult> RunGroupCommit(const GroupCommitOptions& options);

}  // namespace poplar::bench_floor
