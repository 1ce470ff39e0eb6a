// What the store's commands tell, as JSON for the admin socket and scripts, and for people.

#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "core/base/status.h"
#include "storage/engine/compaction_state.h"
#include "storage/engine/snapshot.h"
#include "storage/engine/stats.h"
#include "storage/tools/rebuild.h"
#include "storage/tools/verify.h"

namespace poplar::app {

nlohmann::json ToJson(const storage::VerifyReport& report);
nlohmann::json ToJson(const storage::StoreStats& stats);
nlohmann::json ToJson(const storage::RebuiltIndex& index);
nlohmann::json ToJson(const storage::SnapshotReport& report);
nlohmann::json ToJson(const storage::CompactionState& state);

// Of ToJson(CompactionState), which came from the server.
StatusOr<storage::CompactionState> CompactionStateOf(const nlohmann::json& json);

// Of ToJson(StoreStats), which may come from the server. False: it has another shape.
bool PrintStats(const nlohmann::json& stats, std::ostream& out);
void PrintRebuilt(const storage::RebuiltIndex& index, std::ostream& out);

}  // namespace poplar::app
