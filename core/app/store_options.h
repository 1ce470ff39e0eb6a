// How the configuration opens a store.

#pragma once

#include <cstdint>

#include "core/app/exit_code.h"
#include "core/base/status.h"
#include "core/tenant/config.h"
#include "storage/engine/engine.h"

namespace poplar::app {

// Threads of the disk pool of whoever opens it.
inline constexpr uint32_t kDiskThreads = 4;

storage::StoreOptions StoreOptionsOf(const tenant::StoreConfig& config,
                                     uint32_t open_files_a_shard);

// Refuses root where the store is another user's: what root makes in it, an index or a segment, its
// server could not open again.
Status MayWriteStore(const tenant::StoreConfig& config);

// How a command ends that the store refused. `not_found`: where what it was asked for is not in the
// store; that there is no store at all is the configuration's fault.
ExitCode StoreCodeOf(const Status& status, const tenant::StoreConfig& config, ExitCode not_found);

}  // namespace poplar::app
