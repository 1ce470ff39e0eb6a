// How the configuration opens a store.

#pragma once

#include <cstdint>

#include "core/tenant/config.h"
#include "storage/engine/engine.h"

namespace poplar::app {

// Threads of the disk pool of whoever opens it.
inline constexpr uint32_t kDiskThreads = 4;

storage::StoreOptions StoreOptionsOf(const tenant::StoreConfig& config,
                                     uint32_t open_files_a_shard);

}  // namespace poplar::app
