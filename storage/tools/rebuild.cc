#include "storage/tools/rebuild.h"

#include "storage/engine/layout.h"
#include "storage/engine/recovery.h"

namespace poplar::storage {
namespace {

class Rebuild {
 public:
  Rebuild(const RebuildOptions& options, Env& env, const Superblock& superblock, uint32_t partition)
      : options_(options),
        env_(env),
        superblock_(superblock),
        partition_(partition),
        directory_(PartitionDirectory(options.path, partition)),
        index_(directory_ + "/index") {}

  // Before anything is changed. The old index is not looked at: it may be of any version, or
  // garbage.
  Status Check() { return CheckLogFormat(Options(false), Lsn()); }

  StatusOr<RebuiltIndex> Run() {
    RebuiltIndex rebuilt;
    rebuilt.partition = partition_;
    rebuilt.aside = FreeName();
    POP_RETURN_IF_ERROR(env_.Rename(index_, rebuilt.aside));
    Status status = env_.MakeDirectory(index_);
    if (status.ok()) status = env_.SyncDirectory(directory_);
    if (status.ok()) status = Recover(rebuilt);
    if (!status.ok()) {
      POP_RETURN_IF_ERROR(PutBack(rebuilt.aside));
      return status;
    }
    if (options_.discard_old) {
      POP_RETURN_IF_ERROR(RemoveTree(env_, std::exchange(rebuilt.aside, "")));
    }
    return rebuilt;
  }

 private:
  std::string FreeName() {
    for (int attempt = 0;; ++attempt) {
      std::string name = index_ + ".old-" + std::to_string(attempt);
      if (!env_.List(name).ok()) return name;
    }
  }

  RecoveryOptions Options(bool with_progress) {
    RecoveryOptions recovery;
    recovery.env = &env_;
    recovery.directory = directory_;
    recovery.superblock = superblock_;
    recovery.partition = partition_;
    recovery.cache_bytes_max = options_.list_cache_bytes;
    recovery.checkpoint_changes = options_.checkpoint_changes;
    recovery.index_map_bytes = options_.index_map_bytes;
    if (with_progress && options_.on_progress) {
      recovery.on_progress = [this](uint64_t bytes_read, uint64_t bytes_total) {
        options_.on_progress(partition_, bytes_read, bytes_total);
      };
    }
    return recovery;
  }

  Status Recover(RebuiltIndex& rebuilt) {
    const RecoveryOptions recovery = Options(true);
    POP_ASSIGN_OR_RETURN(const RecoveredPartition recovered, RecoverPartition(recovery));
    rebuilt.records = recovered.records;
    rebuilt.damages = recovered.damages;
    POP_ASSIGN_OR_RETURN(rebuilt.after, recovered.index->ReadSums());
    return OkStatus();
  }

  Status PutBack(const std::string& aside) {
    POP_RETURN_IF_ERROR(RemoveTree(env_, index_));
    POP_RETURN_IF_ERROR(env_.Rename(aside, index_));
    return env_.SyncDirectory(directory_);
  }

  const RebuildOptions& options_;
  Env& env_;
  const Superblock& superblock_;
  const uint32_t partition_;
  const std::string directory_;
  const std::string index_;
};

}  // namespace

StatusOr<std::vector<RebuiltIndex>> RebuildIndexes(const RebuildOptions& options) {
  Env& env = options.env != nullptr ? *options.env : SystemEnv();
  POP_ASSIGN_OR_RETURN(const Superblock superblock, ReadSuperblock(env, options.path));
  if (options.partition.value_or(0) >= superblock.partitions) {
    return MakeStatus(StatusCode::kInvalidArgument, "the store has the partitions 0 to " +
                                                        std::to_string(superblock.partitions - 1));
  }
  POP_ASSIGN_OR_RETURN(const auto lock, env.Lock(options.path + "/lock"));
  std::vector<uint32_t> chosen;
  for (uint32_t p = 0; p < superblock.partitions; ++p) {
    if (options.partition.value_or(p) != p) continue;
    chosen.push_back(p);
    POP_RETURN_IF_ERROR(Annotate(Rebuild(options, env, superblock, p).Check(),
                                 PartitionDirectory(options.path, p)));
  }
  std::vector<RebuiltIndex> rebuilt;
  for (const uint32_t p : chosen) {
    auto one = Rebuild(options, env, superblock, p).Run();
    if (!one.ok()) return Annotate(one.status(), PartitionDirectory(options.path, p));
    rebuilt.push_back(std::move(*one));
  }
  return rebuilt;
}

}  // namespace poplar::storage
