#include "core/app/store_commands.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/app/commands/ask_server.h"
#include "core/app/progress_bar.h"
#include "core/app/running_server.h"
#include "core/app/store_json.h"
#include "core/app/store_options.h"
#include "storage/engine/engine.h"
#include "storage/engine/layout.h"
#include "storage/tools/rebuild.h"
#include "storage/tools/verify.h"

namespace poplar::app {
namespace {

using nlohmann::json;

constexpr uint32_t kStatsTimeoutMs = 60'000;
constexpr uint32_t kSnapshotTimeoutMs = 6 * 60 * 60 * 1000;

void PrintDamage(uint32_t partition, const storage::Damage& damage, std::ostream& out) {
  out << "partition " << partition << ", at " << storage::PlaceText(damage.at) << ": "
      << damage.what;
  if (!damage.maildrop.account.empty()) {
    out << " (tenant " << damage.maildrop.tenant.value() << ", account " << damage.maildrop.account
        << ", message " << storage::IdText(damage.id.value()) << ")";
  }
  out << '\n';
}

void PrintReport(const storage::VerifyReport& report, std::ostream& out) {
  out << report.messages << " messages in " << report.maildrops << " maildrops";
  if (report.kept_messages > 0) out << ", " << report.kept_messages << " deleted ones kept";
  out << "; " << report.records << " records in " << report.segments << " segments ("
      << report.segment_bytes / kMiB << " MiB), " << report.blobs << " blobs ("
      << report.blob_bytes / kMiB << " MiB): ";
  if (report.damages == 0) {
    out << "all sound\n";
  } else {
    out << report.damages << (report.damages == 1 ? " damage\n" : " damages\n");
  }
}

std::string MibOf(uint64_t done, uint64_t total) {
  return std::to_string(done / kMiB) + " of " + std::to_string(total / kMiB) + " MiB";
}

StatusOr<json> StatsOf(const tenant::Config& config) {
  if (StoreIsServed(config))
    return AskServer(config, "store.stats", json::object(), kStatsTimeoutMs);
  POP_ASSIGN_OR_RETURN(const storage::StoreStats stats,
                       storage::ReadStoreStats({.path = config.store.path}));
  return ToJson(stats);
}

StatusOr<json> Snapshot(const tenant::Config& config, const std::string& directory) {
  if (StoreIsServed(config)) {
    return AskServer(config, "store.snapshot", json{{"directory", directory}}, kSnapshotTimeoutMs);
  }
  POP_RETURN_IF_ERROR(MayWriteStore(config.store));  // What is copied is to be put back, too.
  POP_ASSIGN_OR_RETURN(
      const storage::SnapshotReport report,
      storage::SnapshotClosedStore({.path = config.store.path, .directory = directory}));
  return ToJson(report);
}

// A store that lacks what is its own is damaged.
ExitCode FailStore(Console& console, const tenant::Config& config, const Status& status,
                   ExitCode not_found = ExitCode::kIoError) {
  return Fail(console, StoreCodeOf(status, config.store, not_found), Message(status));
}

}  // namespace

Status InitStore(const tenant::Config& config) {
  return storage::CreateStore(config.store.path, {.partitions = config.store.partitions});
}

Status LookAtStore(const tenant::Config& config) {
  return storage::ReadSuperblock(storage::SystemEnv(), config.store.path).status();
}

uint64_t StoreReserveBytes(const tenant::Config& config) {
  const auto superblock = storage::ReadSuperblock(storage::SystemEnv(), config.store.path);
  return storage::ReserveBytes(StoreOptionsOf(config.store, 1),
                               superblock.ok() ? superblock->partitions : config.store.partitions);
}

ExitCode VerifyStore(const tenant::Config& config, bool as_json, Console& console) {
  ProgressBar bar(console.err, !as_json && ErrorIsTerminal());
  storage::VerifyOptions options;
  options.path = config.store.path;
  options.on_damage = [&](uint32_t partition, const storage::Damage& damage) {
    bar.Clear();
    PrintDamage(partition, damage, console.err);
  };
  options.on_progress = [&](const storage::VerifyProgress& progress) {
    bar.Update(progress.share(), "partition " + std::to_string(progress.partition) + ": " +
                                     MibOf(progress.bytes_read, progress.bytes_total));
  };
  const StatusOr<storage::VerifyReport> report = storage::VerifyStore(options);
  bar.Clear();
  if (!report.ok()) return FailStore(console, config, report.status());
  if (as_json) {
    console.out << ToJson(*report).dump(2) << '\n';
  } else {
    PrintReport(*report, console.out);
  }
  return report->damages == 0 ? ExitCode::kOk : ExitCode::kIoError;
}

ExitCode StoreStats(const tenant::Config& config, bool as_json, Console& console) {
  const StatusOr<json> stats = StatsOf(config);
  if (!stats.ok()) return FailStore(console, config, stats.status());
  if (as_json) {
    console.out << stats->dump(2) << '\n';
    return ExitCode::kOk;
  }
  if (PrintStats(*stats, console.out)) return ExitCode::kOk;
  return Fail(console, ExitCode::kSoftware,
              "the server's answer on the admin socket is not understood");
}

ExitCode RebuildIndex(const RebuildIndexRequest& request, const tenant::Config& config,
                      Console& console) {
  ProgressBar bar(console.err, !request.json && ErrorIsTerminal());
  storage::RebuildOptions options;
  options.path = config.store.path;
  options.partition = request.partition;
  options.discard_old = request.discard_old;
  options.list_cache_bytes = config.store.index_cache_mib * kMiB;
  options.checkpoint_changes = config.store.checkpoint_changes_max;
  options.on_progress = [&](uint32_t partition, uint64_t bytes_read, uint64_t bytes_total) {
    bar.Update(static_cast<double>(bytes_read) / static_cast<double>(bytes_total),
               "partition " + std::to_string(partition) + ": " + MibOf(bytes_read, bytes_total));
  };
  const Status may = MayWriteStore(config.store);
  if (!may.ok()) return FailStore(console, config, may);
  const auto rebuilt = storage::RebuildIndexes(options);
  bar.Clear();
  if (!rebuilt.ok()) return FailStore(console, config, rebuilt.status());
  uint64_t damages = 0;
  json report = json::array();
  for (const storage::RebuiltIndex& index : *rebuilt) {
    damages += index.damages;
    report.push_back(ToJson(index));
  }
  if (request.json) {
    console.out << report.dump(2) << '\n';
  } else {
    for (const storage::RebuiltIndex& index : *rebuilt) PrintRebuilt(index, console.out);
  }
  return damages == 0 ? ExitCode::kOk : ExitCode::kIoError;
}

ExitCode UpgradeStore(const tenant::Config& config, Console& console) {
  const auto superblock = storage::ReadSuperblock(storage::SystemEnv(), config.store.path);
  if (!superblock.ok()) return FailStore(console, config, superblock.status());
  // Version 1 is the first and only one, so what can be read is current.
  console.out << config.store.path << ": the store is of format version " << storage::kFormatVersion
              << ", which is the current one; nothing is to be done\n";
  return ExitCode::kOk;
}

ExitCode SnapshotStore(const std::string& directory, const tenant::Config& config,
                       Console& console) {
  std::error_code ignored;
  std::filesystem::path target = std::filesystem::absolute(directory, ignored).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();  // "DIR/"
  const StatusOr<json> report = Snapshot(config, target);
  if (!report.ok()) return FailStore(console, config, report.status(), ExitCode::kCannotCreate);
  console.out << target.string() << ": " << report->value("segments", uint64_t{0}) << " segments, "
              << report->value("blobs", uint64_t{0}) << " blobs; "
              << report->value("copied_bytes", uint64_t{0}) / kKiB << " KiB of log copied\n";
  const uint64_t missing = report->value("missing", uint64_t{0});
  if (missing == 0) return ExitCode::kOk;
  return Fail(console, ExitCode::kIoError,
              "the copy is made, but without " + std::to_string(missing) +
                  (missing == 1 ? " file" : " files") +
                  " that the store has lost, or that cannot be read; the log names them "
                  "(store_snapshot_missing). Keep earlier copies");
}

}  // namespace poplar::app
