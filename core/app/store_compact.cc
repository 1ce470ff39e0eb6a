// `poplar store compact`.

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "core/app/commands/ask_server.h"
#include "core/app/descriptors.h"
#include "core/app/policy_watch.h"
#include "core/app/progress_bar.h"
#include "core/app/running_server.h"
#include "core/app/store_commands.h"
#include "core/app/store_json.h"
#include "core/app/store_options.h"
#include "core/app/table.h"
#include "core/io/offload_pool.h"
#include "core/io/shard.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using storage::CompactionState;

constexpr auto kPoll = std::chrono::milliseconds(200);
constexpr uint32_t kTimeoutMs = 60'000;

struct Compaction {
  CompactionState before;
  CompactionState after;

  uint64_t emptied() const { return after.emptied - before.emptied; }
  uint64_t unlinked() const { return after.unlinked - before.unlinked; }
  uint64_t failures() const { return after.failures - before.failures; }
  bool whole() const { return failures() == 0 && after.kept == 0; }
};

// Asks until it has ended.
StatusOr<Compaction> Follow(const CompactionState& before,
                            const std::function<StatusOr<CompactionState>()>& ask,
                            ProgressBar& bar) {
  Compaction compaction{before, before};
  const uint64_t gainable = before.log_bytes - std::min(before.log_bytes, before.live_bytes);
  while (true) {
    POP_ASSIGN_OR_RETURN(compaction.after, ask());
    if (!compaction.after.running) return compaction;
    const uint64_t gained =
        before.log_bytes - std::min(before.log_bytes, compaction.after.log_bytes);
    bar.Update(static_cast<double>(gained) / static_cast<double>(std::max<uint64_t>(gainable, 1)),
               std::to_string(compaction.emptied()) + " segments emptied, " + SizeText(gained) +
                   " gained");
    std::this_thread::sleep_for(kPoll);
  }
}

StatusOr<Compaction> CompactServed(const tenant::Config& config, ProgressBar& bar) {
  const auto ask = [&](const char* command) -> StatusOr<CompactionState> {
    POP_ASSIGN_OR_RETURN(const json state, AskServer(config, command, json::object(), kTimeoutMs));
    return CompactionStateOf(state);
  };
  POP_ASSIGN_OR_RETURN(const CompactionState before, ask("store.compact"));
  return Follow(before, [&] { return ask("store.compaction"); }, bar);
}

StatusOr<Compaction> CompactHere(const tenant::Config& config, ProgressBar& bar) {
  POP_RETURN_IF_ERROR(MayWriteStore(config.store));
  io::ShardSetOptions options;
  options.count = config.server.workers;
  POP_ASSIGN_OR_RETURN(const auto shards, io::ShardSet::Start(options));
  io::OffloadPool disk({.name = "disk", .threads = kDiskThreads});
  // The store has to know what deleted mail is still to be kept.
  PolicyBoard policies;
  POP_ASSIGN_OR_RETURN(const auto watch,
                       PolicyWatch::Start({.database_path = config.users.database}, policies));
  const uint32_t open_files = PlanForThisProcess(config, shards->count()).open_files_a_shard;
  storage::StoreOptions store_options = StoreOptionsOf(config.store, open_files);
  store_options.policies = &policies;
  POP_ASSIGN_OR_RETURN(const auto store, storage::OpenStore(store_options, *shards, disk));
  const CompactionState before = store->Compaction();
  store->BeginCompaction();
  StatusOr<Compaction> compaction =
      Follow(before, [&] { return StatusOr<CompactionState>(store->Compaction()); }, bar);
  POP_RETURN_IF_ERROR(store->Close());
  return compaction;
}

void Print(const Compaction& compaction, std::ostream& out) {
  out << "log: " << SizeText(compaction.before.log_bytes) << " before, "
      << SizeText(compaction.after.log_bytes) << " now, of which "
      << SizeText(compaction.after.live_bytes) << " live; " << compaction.emptied()
      << " segments emptied, " << compaction.unlinked() << " unlinked\n";
  if (compaction.unlinked() < compaction.emptied()) {
    out << "The others go when the sessions that still see them have ended.\n";
  }
}

}  // namespace

ExitCode CompactStore(const tenant::Config& config, bool as_json, Console& console) {
  ProgressBar bar(console.err, !as_json && ErrorIsTerminal());
  const StatusOr<Compaction> compaction =
      StoreIsServed(config) ? CompactServed(config, bar) : CompactHere(config, bar);
  bar.Clear();
  if (!compaction.ok()) {
    const Status& status = compaction.status();
    return Fail(console, StoreCodeOf(status, config.store, ExitCode::kIoError), Message(status));
  }
  if (as_json) {
    console.out << json{{"log_bytes_before", compaction->before.log_bytes},
                        {"log_bytes", compaction->after.log_bytes},
                        {"live_bytes", compaction->after.live_bytes},
                        {"emptied", compaction->emptied()},
                        {"unlinked", compaction->unlinked()},
                        {"failures", compaction->failures()},
                        {"kept", compaction->after.kept}}
                       .dump(2)
                << '\n';
  } else {
    Print(*compaction, console.out);
  }
  if (compaction->whole()) return ExitCode::kOk;
  return Fail(
      console, ExitCode::kIoError,
      "segments could not be emptied or unlinked: " + std::to_string(compaction->failures()) +
          " tries failed (the log says why), " + std::to_string(compaction->after.kept) +
          " stay as they are because they are damaged or cannot be read");
}

}  // namespace poplar::app
