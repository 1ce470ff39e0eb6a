#include "core/app/store_admin.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "core/app/store_json.h"
#include "core/base/log.h"

namespace poplar::app {

using nlohmann::json;

namespace {

// `below`: where alone the server may write; empty: anywhere.
Status CheckSnapshotFolder(const std::string& directory, const std::string& below) {
  if (!directory.starts_with('/'))
    return MakeStatus(StatusCode::kInvalidArgument, "the snapshot's path must be absolute");
  if (below.empty()) return OkStatus();
  std::error_code error;
  const std::filesystem::path parent =
      std::filesystem::weakly_canonical(directory, error).parent_path();
  const std::string inside =
      parent.lexically_relative(std::filesystem::weakly_canonical(below, error)).string();
  if (!inside.empty() && !inside.starts_with("..")) return OkStatus();
  return MakeStatus(StatusCode::kFailedPrecondition,
                    "the server is in its sandbox and writes copies below " + below +
                        " alone (store.snapshots); name a folder there, or stop the server");
}

}  // namespace

void AddStoreHandlers(storage::EngineStore& store, const std::string& snapshots_below,
                      const std::atomic<bool>& ending, ops::AdminHandlers& handlers) {
  handlers["store.stats"] = [&store](const json&) -> StatusOr<json> {
    POP_ASSIGN_OR_RETURN(const storage::StoreStats stats, store.Stats());
    return ToJson(stats);
  };
  handlers["store.compact"] = [&store](const json&) -> StatusOr<json> {
    const storage::CompactionState before = store.Compaction();
    store.BeginCompaction();
    return ToJson(before);
  };
  handlers["store.compaction"] = [&store](const json&) -> StatusOr<json> {
    return ToJson(store.Compaction());
  };
  handlers["store.snapshot"] = [&store, snapshots_below,
                                &ending](const json& arguments) -> StatusOr<json> {
    const std::string directory = arguments.at("directory").get<std::string>();
    POP_RETURN_IF_ERROR(CheckSnapshotFolder(directory, snapshots_below));
    const auto report = store.Snapshot(directory, ending);
    const uint64_t missing = report.ok() ? report->missing : 0;
    base::Log(report.ok() && missing == 0 ? base::LogLevel::kInfo : base::LogLevel::kError,
              "store_snapshot",
              {{"directory", directory},
               {"ok", report.ok()},
               {"missing", missing},
               {"reason", Message(report.status())}});
    if (!report.ok()) return report.status();
    return ToJson(*report);
  };
}

}  // namespace poplar::app
