#include "storage/engine/snapshot.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "storage/engine/context.h"
#include "storage/engine/layout.h"
#include "storage/index/index_copy.h"
#include "storage/segment/log_survey.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kCopyPieceBytes = kMiB;

// What of one partition belongs into the copy.
struct PartitionCut {
  std::vector<uint32_t> segments;
  // Where the log ended: its segment goes on being written, so it is copied; later ones hold
  // nothing. kLsnMax: the log is at rest.
  Lsn end = kLsnMax;
  std::unique_ptr<IndexCopy> index;  // Null: there is none yet.
};

class SnapshotWriter {
 public:
  SnapshotWriter(Env& env, const std::string& store, const std::string& directory,
                 const Superblock& superblock, const std::atomic<bool>& cancel)
      : env_(env),
        store_(store),
        directory_(directory),
        unfinished_(directory + ".unfinished"),
        superblock_(superblock),
        cancel_(cancel) {
    superblock_.compatible_features |= kFeatureSnapshot;
  }
  ~SnapshotWriter() {
    if (begun_) (void)RemoveTree(env_, unfinished_);
  }

  Status Begin() {
    if (env_.List(directory_).ok() || env_.OpenToRead(directory_).ok()) {
      return MakeStatus(StatusCode::kAlreadyExists, directory_ + ": it is there already");
    }
    const Status made = env_.MakeDirectory(unfinished_);
    if (made.code() == StatusCode::kAlreadyExists) {
      return MakeStatus(StatusCode::kAlreadyExists,
                        unfinished_ + ": left by a snapshot that did not end; remove it");
    }
    POP_RETURN_IF_ERROR(made);
    begun_ = true;
    return env_.MakeDirectory(unfinished_ + "/incoming");
  }

  // The quick part, with the partition held.
  Status Link(uint32_t partition, const PartitionCut& cut) {
    const std::string to = PartitionDirectory(unfinished_, partition);
    POP_RETURN_IF_ERROR(env_.MakeDirectory(to));
    for (const char* part : {"/log", "/blobs", "/index"}) {
      POP_RETURN_IF_ERROR(env_.MakeDirectory(to + part));
    }
    const std::string from = PartitionDirectory(store_, partition);
    for (const uint32_t number : cut.segments) {
      if (number >= cut.end.segment()) continue;
      POP_RETURN_IF_ERROR(
          LinkFile(SegmentPath(from + "/log", number), SegmentPath(to + "/log", number)));
      ++report_.segments;
    }
    return LinkBlobs(from + "/blobs", to + "/blobs");
  }

  // The rest.
  Status Copy(uint32_t partition, const PartitionCut& cut, IndexOptions index) {
    const std::string to = PartitionDirectory(unfinished_, partition);
    if (cut.end != kLsnMax &&
        std::binary_search(cut.segments.begin(), cut.segments.end(), cut.end.segment())) {
      POP_RETURN_IF_ERROR(CopyTail(partition, cut.end));
    }
    if (cut.index != nullptr) {
      index.directory = to + "/index";
      POP_RETURN_IF_ERROR(cut.index->WriteTo(index, cancel_));
    }
    for (const char* part : {"/log", "/blobs", "/index", ""}) {
      POP_RETURN_IF_ERROR(env_.SyncDirectory(to + part));
    }
    return OkStatus();
  }

  StatusOr<SnapshotReport> Finish() {
    POP_RETURN_IF_ERROR(env_.CreateFile(unfinished_ + "/lock").status());
    POP_RETURN_IF_ERROR(env_.SyncDirectory(unfinished_ + "/incoming"));
    POP_RETURN_IF_ERROR(
        ReplaceFile(env_, unfinished_, "superblock", EncodeSuperblock(superblock_)));
    POP_RETURN_IF_ERROR(env_.Rename(unfinished_, directory_));
    begun_ = false;
    POP_RETURN_IF_ERROR(env_.SyncDirectory(ParentOf(directory_)));
    return report_;
  }

 private:
  Status LinkFile(const std::string& from, const std::string& to) {
    if (cancel_) return MakeStatus(StatusCode::kCancelled, "the snapshot was given up");
    Status linked = env_.Link(from, to);
    if (linked.code() != StatusCode::kFailedPrecondition) return linked;
    return MakeStatus(StatusCode::kFailedPrecondition,
                      directory_ +
                          ": on another file system than the store, where no hard links "
                          "to it can be; make the snapshot beside the store and copy it");
  }

  Status LinkBlobs(const std::string& from, const std::string& to) {
    POP_ASSIGN_OR_RETURN(const std::vector<std::string> epochs, env_.List(from));
    for (const std::string& epoch : epochs) {
      const std::string from_epoch = from + "/" + epoch;
      const std::string to_epoch = to + "/" + epoch;
      POP_RETURN_IF_ERROR(env_.MakeDirectory(to_epoch));
      POP_ASSIGN_OR_RETURN(const std::vector<std::string> blobs, env_.List(from_epoch));
      for (const std::string& blob : blobs) {
        std::string target = to_epoch;
        target += "/" + blob;
        POP_RETURN_IF_ERROR(LinkFile(from_epoch + "/" + blob, target));
      }
      report_.blobs += blobs.size();
      POP_RETURN_IF_ERROR(env_.SyncDirectory(to_epoch));
    }
    return OkStatus();
  }

  // The log's last segment up to its end, and as long as it was laid out.
  Status CopyTail(uint32_t partition, Lsn end) {
    const auto path_in = [&](const std::string& store) {
      return SegmentPath(PartitionDirectory(store, partition) + "/log", end.segment());
    };
    POP_ASSIGN_OR_RETURN(const auto from, env_.OpenToRead(path_in(store_)));
    POP_ASSIGN_OR_RETURN(const auto to, env_.CreateFile(path_in(unfinished_)));
    POP_ASSIGN_OR_RETURN(const uint64_t bytes, from->Bytes());
    std::string piece(kCopyPieceBytes, '\0');
    for (uint64_t at = 0; at < end.offset();) {
      if (cancel_) return MakeStatus(StatusCode::kCancelled, "the snapshot was given up");
      const std::span<char> into =
          std::span(piece).subspan(0, std::min<uint64_t>(kCopyPieceBytes, end.offset() - at));
      POP_ASSIGN_OR_RETURN(const size_t got, from->ReadAt(into, at));
      if (got < into.size()) {
        return MakeStatus(StatusCode::kDataLoss, path_in(store_) + ": cut short");
      }
      POP_RETURN_IF_ERROR(to->WriteAt({into.data(), into.size()}, at));
      at += got;
    }
    if (bytes > end.offset()) {
      POP_RETURN_IF_ERROR(to->WriteAt(std::string_view("\0", 1), bytes - 1));
    }
    ++report_.segments;
    report_.copied_bytes += end.offset();
    return to->SyncData();
  }

  Env& env_;
  const std::string store_;
  const std::string directory_;
  const std::string unfinished_;
  Superblock superblock_;
  const std::atomic<bool>& cancel_;
  bool begun_ = false;
  SnapshotReport report_;
};

// Keeps a partition from starting checkpoints and unlinking for as long as it exists.
class HeldPartition {
 public:
  HeldPartition(EngineContext& context, uint32_t partition)
      : context_(context), partition_(partition) {
    context_.shards.WaitUntil([this] { return TryHold(); });
  }
  ~HeldPartition() {
    On([](Partition& partition) { partition.EndHold(); });
  }

  void On(const std::function<void(Partition&)>& step) {
    context_.shards.RunOn(context_.ShardOf(partition_),
                          [&](io::Shard&) { step(*context_.partitions[partition_]); });
  }

 private:
  bool TryHold() {
    bool held = false;
    On([&](Partition& partition) { held = partition.Hold(); });
    return held;
  }

  EngineContext& context_;
  const uint32_t partition_;
};

std::vector<uint32_t> NumbersOf(const SegmentTable& table) {
  std::vector<uint32_t> numbers;
  numbers.reserve(table.segments.size());
  for (const SegmentRef& segment : table.segments) numbers.push_back(segment.number);
  return numbers;
}

Status SnapshotPartition(EngineContext& context, uint32_t p, SnapshotWriter& writer) {
  // Of what the cut names, until it is copied. What was emptied and is covered by the index is not
  // named: nothing needs it, here as there.
  std::shared_ptr<const SegmentTable> pins;
  PartitionCut cut;
  {
    HeldPartition held(context, p);
    held.On([&](Partition& partition) {
      pins = partition.keeper().segments();
      cut.end = partition.log().flushed();
    });
    cut.segments = NumbersOf(*pins);
    POP_ASSIGN_OR_RETURN(cut.index, IndexCopy::Begin(context.partitions[p]->index()));
    POP_RETURN_IF_ERROR(writer.Link(p, cut));
  }
  const StoreOptions& options = context.options;
  return writer.Copy(p, cut, {{}, options.index_map_bytes, options.index_engine});
}

Status CopyClosedPartition(const SnapshotOptions& options, Env& env, uint32_t p,
                           SnapshotWriter& writer) {
  const std::string directory = PartitionDirectory(options.path, p);
  const auto index = Index::OpenToRead({directory + "/index", options.index_map_bytes});
  PartitionCut cut;  // Ends before the index.
  if (index.ok()) {
    POP_ASSIGN_OR_RETURN(cut.index, IndexCopy::Begin(**index));
  } else if (index.status().code() != StatusCode::kNotFound) {
    return Annotate(index.status(), directory + " (`poplar store rebuild-index` mends an index)");
  }
  POP_ASSIGN_OR_RETURN(const std::vector<std::string> names, env.List(directory + "/log"));
  for (const std::string& name : names) {
    if (const auto number = SegmentNumberOf(name)) cut.segments.push_back(*number);
  }
  POP_RETURN_IF_ERROR(writer.Link(p, cut));
  return writer.Copy(p, cut, {{}, options.index_map_bytes});
}

}  // namespace

StatusOr<SnapshotReport> SnapshotOpenStore(EngineContext& context, const std::string& directory,
                                           const std::atomic<bool>& cancel) {
  SnapshotWriter writer(*context.options.env, context.options.path, directory, context.superblock,
                        cancel);
  POP_RETURN_IF_ERROR(writer.Begin());
  for (uint32_t p = 0; p < context.partitions.size(); ++p) {
    POP_RETURN_IF_ERROR(SnapshotPartition(context, p, writer));
  }
  return writer.Finish();
}

StatusOr<SnapshotReport> SnapshotClosedStore(const SnapshotOptions& options) {
  Env& env = options.env != nullptr ? *options.env : SystemEnv();
  POP_ASSIGN_OR_RETURN(const Superblock superblock, ReadSuperblock(env, options.path));
  POP_ASSIGN_OR_RETURN(const auto lock, env.LockToRead(options.path + "/lock"));
  const std::atomic<bool> never{false};
  SnapshotWriter writer(env, options.path, options.directory, superblock, never);
  POP_RETURN_IF_ERROR(writer.Begin());
  for (uint32_t p = 0; p < superblock.partitions; ++p) {
    POP_RETURN_IF_ERROR(CopyClosedPartition(options, env, p, writer));
  }
  return writer.Finish();
}

}  // namespace poplar::storage
