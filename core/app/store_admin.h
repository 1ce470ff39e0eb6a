// What the admin socket answers about the store while it is served: `store.stats`, `store.compact`,
// `store.compaction`, `store.snapshot` (core/ops/README.md has their arguments and results).

#pragma once

#include <atomic>
#include <string>

#include "core/ops/admin_server.h"
#include "storage/engine/engine.h"

namespace poplar::app {

// The handlers run on the admin socket's thread. Snapshots are taken below the folder
// `snapshots_below` alone (empty: anywhere), and given up once `ending`.
// REQUIRES: the store and `ending` outlive them.
void AddStoreHandlers(storage::EngineStore& store, const std::string& snapshots_below,
                      const std::atomic<bool>& ending, ops::AdminHandlers& handlers);

}  // namespace poplar::app
