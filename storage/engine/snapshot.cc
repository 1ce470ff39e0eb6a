#include "storage/engine/snapshot.h"

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "core/base/log.h"
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
    POP_RETURN_IF_ERROR(TryLink());
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
      POP_ASSIGN_OR_RETURN(const bool linked, LinkFile(SegmentPath(from + "/log", number),
                                                       SegmentPath(to + "/log", number)));
      if (linked) ++report_.segments;
    }
    return LinkBlobs(from + "/blobs", to + "/blobs");
  }

  // What a damaged disk has lost is left out: the rest is worth more than none.
  void LeaveOut(const std::string& path, std::string_view why) {
    ++report_.missing;
    base::Log(base::LogLevel::kError, "store_snapshot_missing", {{"file", path}, {"why", why}});
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
      POP_RETURN_IF_ERROR(CopyIndex(partition, *cut.index, index));
    }
    for (const char* part : {"/log", "/blobs", "/index", ""}) {
      POP_RETURN_IF_ERROR(env_.SyncDirectory(to + part));
    }
    return OkStatus();
  }

  StatusOr<SnapshotReport> Finish() {
    POP_RETURN_IF_ERROR(env_.CreateFile(unfinished_ + "/lock").status());
    POP_RETURN_IF_ERROR(env_.SyncDirectory(unfinished_ + "/incoming"));
    POP_RETURN_IF_ERROR(WriteSuperblock(env_, unfinished_, superblock_));
    POP_RETURN_IF_ERROR(env_.Rename(unfinished_, directory_));
    begun_ = false;
    POP_RETURN_IF_ERROR(env_.SyncDirectory(ParentOf(directory_)));
    return report_;
  }

 private:
  // A young store may have nothing to link; a snapshot of it must not work where later ones cannot.
  Status TryLink() {
    const std::string trial = unfinished_ + "/superblock";
    Status linked = Link(store_ + "/superblock", trial);
    if (linked.code() == StatusCode::kNotFound) return OkStatus();
    return linked.ok() ? env_.Unlink(trial) : linked;
  }

  Status Link(const std::string& from, const std::string& to) {
    Status linked = env_.Link(from, to);
    if (linked.code() != StatusCode::kFailedPrecondition) return linked;
    return MakeStatus(StatusCode::kFailedPrecondition,
                      directory_ +
                          ": on another file system than the store, where no hard links "
                          "to it can be; make the snapshot beside the store and copy it");
  }

  // False: it is not there. So it is where the target's folder is gone, but that cannot be flushed.
  StatusOr<bool> LinkFile(const std::string& from, const std::string& to) {
    if (cancel_) return MakeStatus(StatusCode::kCancelled, "the snapshot was given up");
    Status linked = Link(from, to);
    if (linked.ok()) return true;
    if (linked.code() != StatusCode::kNotFound) return linked;
    LeaveOut(from, "it is not there");
    return false;
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
        POP_ASSIGN_OR_RETURN(const bool linked, LinkFile(from_epoch + "/" + blob, target));
        if (linked) ++report_.blobs;
      }
      POP_RETURN_IF_ERROR(env_.SyncDirectory(to_epoch));
    }
    return OkStatus();
  }

  // The log's last segment up to its end, and as long as it was laid out.
  Status CopyTail(uint32_t partition, Lsn end) {
    const auto path_in = [&](const std::string& store) {
      return SegmentPath(PartitionDirectory(store, partition) + "/log", end.segment());
    };
    const auto opened = env_.OpenToRead(path_in(store_));
    if (opened.status().code() == StatusCode::kNotFound) {
      LeaveOut(path_in(store_), "it is not there");
      return OkStatus();
    }
    POP_RETURN_IF_ERROR(opened.status());
    const auto& from = *opened;
    POP_ASSIGN_OR_RETURN(const auto to, env_.CreateFile(path_in(unfinished_)));
    POP_ASSIGN_OR_RETURN(const uint64_t bytes, from->Bytes());
    std::string piece(kCopyPieceBytes, '\0');
    for (uint64_t at = 0; at < end.offset();) {
      if (cancel_) return MakeStatus(StatusCode::kCancelled, "the snapshot was given up");
      const std::span<char> into =
          std::span(piece).subspan(0, std::min<uint64_t>(kCopyPieceBytes, end.offset() - at));
      uint64_t lost_bytes = 0;
      const uint64_t read =
          ReadReadable(*from, into, at, [&](uint64_t lost_at, uint64_t octets, const Status& why) {
            if (lost_bytes == 0) {
              LeaveOut(path_in(store_), "at " + std::to_string(lost_at) + ": " + why.ToString());
            }
            lost_bytes += octets;
          });
      const uint64_t got = read + lost_bytes;  // What is lost is zeros there.
      POP_RETURN_IF_ERROR(to->WriteAt({into.data(), got}, at));
      at += got;
      report_.copied_bytes += got;
      if (got == into.size()) continue;
      LeaveOut(path_in(store_), "the file is cut short");
      break;
    }
    if (bytes > end.offset()) {
      POP_RETURN_IF_ERROR(to->WriteAt(std::string_view("\0", 1), bytes - 1));
    }
    ++report_.segments;
    return to->SyncData();
  }

  // A copy without an index is whole: the first start makes it from the log.
  Status CopyIndex(uint32_t partition, const IndexCopy& index, const IndexOptions& target) {
    Status copied = index.WriteTo(target, cancel_);
    if (copied.code() != StatusCode::kDataLoss) return copied;
    LeaveOut(PartitionDirectory(store_, partition) + "/index", Message(copied));
    POP_RETURN_IF_ERROR(RemoveTree(env_, target.directory));
    return env_.MakeDirectory(target.directory);
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

// Adds the segments that must be there. One that is not complete is not worth a copy.
Status CutIndex(Index& index, PartitionCut& cut, std::set<uint32_t>& segments) {
  POP_ASSIGN_OR_RETURN(const std::optional<IndexMeta> meta, index.ReadMeta());
  if (!meta.has_value()) return OkStatus();
  POP_ASSIGN_OR_RETURN(const auto known, index.ReadSegments());
  for (const auto& [number, stats] : known) {
    if (stats.live_records > 0) segments.insert(number);
  }
  POP_ASSIGN_OR_RETURN(cut.index, IndexCopy::Begin(index));
  return OkStatus();
}

Status CopyClosedPartition(const SnapshotOptions& options, Env& env, uint32_t p,
                           SnapshotWriter& writer) {
  const std::string directory = PartitionDirectory(options.path, p);
  const auto index = Index::OpenToRead({directory + "/index", options.index_map_bytes});
  PartitionCut cut;  // Ends before the index.
  std::set<uint32_t> segments;
  const Status status = index.ok() ? CutIndex(**index, cut, segments) : index.status();
  if (status.code() == StatusCode::kDataLoss) {
    writer.LeaveOut(directory + "/index", Message(status));
  } else if (!status.ok() && status.code() != StatusCode::kNotFound) {
    return Annotate(status, directory);
  }
  POP_ASSIGN_OR_RETURN(const std::vector<std::string> names, env.List(directory + "/log"));
  for (const std::string& name : names) {
    if (const auto number = SegmentNumberOf(name)) segments.insert(*number);
  }
  cut.segments.assign(segments.begin(), segments.end());
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
