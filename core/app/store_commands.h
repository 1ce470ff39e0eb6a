// The commands that need the concrete store: what `main` hands to the command line.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/app/console.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Makes an empty store where the configuration says. kAlreadyExists: one is there; it was kept.
Status InitStore(const tenant::Config& config);

// Whether one is there, by its superblock alone. kNotFound: nothing is. kDataLoss: parts of one.
Status LookAtStore(const tenant::Config& config);

// Octets that the store keeps back of its disk; of one that cannot be read, by what the
// configuration says of its partitions.
uint64_t StoreReserveBytes(const tenant::Config& config);

// `poplar store verify`: each damage is a line on standard error, the sum goes to standard output.
// kIoError where anything is damaged.
ExitCode VerifyStore(const tenant::Config& config, bool json, Console& console);

// `poplar store stats`: of the running server, or of a store that nobody serves.
ExitCode StoreStats(const tenant::Config& config, bool json, Console& console);

struct DumpSegmentRequest {
  std::string segment;                // A number, as the file's name has it, or a path.
  std::optional<uint32_t> partition;  // Of a number; can be left out where there is but one.
  bool bodies = false;
};

// `poplar store dump segment`. kIoError where anything is damaged.
ExitCode DumpSegment(const DumpSegmentRequest& request, const tenant::Config& config,
                     Console& console);

// `poplar store dump maildrop`, of an address or TENANT/ACCOUNT (a tenant's id or name, an
// account's id). kIoError where it is damaged.
ExitCode DumpMaildrop(const std::string& which, const tenant::Config& config, Console& console);

struct RebuildIndexRequest {
  std::optional<uint32_t> partition;  // Nothing: all.
  bool discard_old = false;
  bool json = false;
};

// `poplar store rebuild-index`. kIoError where records were damaged; the index is there all the
// same.
ExitCode RebuildIndex(const RebuildIndexRequest& request, const tenant::Config& config,
                      Console& console);

// `poplar store upgrade`: there is one version yet, so it says which the store has.
ExitCode UpgradeStore(const tenant::Config& config, Console& console);

// `poplar store compact`: by the running server, or in this process; ends when it has ended.
// kIoError where a segment could not be emptied.
ExitCode CompactStore(const tenant::Config& config, bool json, Console& console);

// `poplar store snapshot`: by the running server, or of a store that nobody serves. kIoError where
// the store lacks files; the copy is there all the same, without them.
ExitCode SnapshotStore(const std::string& directory, const tenant::Config& config,
                       Console& console);

}  // namespace poplar::app
