#include "core/app/store_options.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "storage/engine/layout.h"

namespace poplar::app {

storage::StoreOptions StoreOptionsOf(const tenant::StoreConfig& config,
                                     uint32_t open_files_a_shard) {
  storage::StoreOptions options;
  options.open_files_a_shard = open_files_a_shard;
  options.path = config.path;
  options.body_memory_bytes = config.body_memory_mib * kMiB;
  options.blob_bytes_min = config.blob_threshold_kib * kKiB;
  options.list_cache_bytes = config.index_cache_mib * kMiB;
  options.segment_bytes = config.segment_mib * kMiB;
  options.first_segment_bytes = std::min(options.first_segment_bytes, options.segment_bytes);
  options.scrub_bytes_per_s = config.scrub_kib_per_s * kKiB;
  options.checkpoint_changes = config.checkpoint_changes_max;
  options.compact_by_itself = config.compaction;
  options.compact_bytes_per_second = config.compaction_mib_per_second * kMiB;
  options.compact_cpu_percent = config.compaction_cpu_percent;
  options.checkpoint_interval_ms = uint64_t{config.checkpoint_interval_s} * 1000;
  return options;
}

Status MayWriteStore(const tenant::StoreConfig& config) {
  struct stat superblock{};
  const bool found = std::ranges::any_of(storage::kSuperblockNames, [&](const char* name) {
    return stat((config.path + "/" + name).c_str(), &superblock) == 0;
  });
  if (geteuid() != 0 || !found) return OkStatus();
  if (superblock.st_uid == 0) return OkStatus();
  const passwd* const owner = getpwuid(superblock.st_uid);
  const std::string name =
      owner != nullptr ? owner->pw_name : "#" + std::to_string(superblock.st_uid);
  return MakeStatus(StatusCode::kPermissionDenied,
                    "the store " + config.path + " is " + name +
                        "'s, whose server could not open what root makes in it: run this as " +
                        name + " (runuser -u " + name + " -- poplar ...)");
}

ExitCode StoreCodeOf(const Status& status, const tenant::StoreConfig& config, ExitCode not_found) {
  if (status.code() != StatusCode::kNotFound) return ExitCodeOf(status);
  const auto superblock = storage::ReadSuperblock(storage::SystemEnv(), config.path);
  return superblock.status().code() == StatusCode::kNotFound ? ExitCode::kConfig : not_found;
}

}  // namespace poplar::app
