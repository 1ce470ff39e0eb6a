#include "storage/engine/recovery.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/log.h"
#include "storage/blob/blob_writer.h"
#include "storage/engine/checkpoint_job.h"
#include "storage/engine/orphan_blobs.h"
#include "storage/engine/replayer.h"
#include "storage/segment/log_survey.h"

namespace poplar::storage {
namespace {

class Recovery {
 public:
  explicit Recovery(const RecoveryOptions& options)
      : options_(options),
        env_(*options.env),
        log_directory_(options.directory + "/log"),
        index_directory_(options.directory + "/index"),
        blob_directory_(options.directory + "/blobs") {}

  StatusOr<RecoveredPartition> Run() {
    Status status = Recover();
    if (status.code() == StatusCode::kDataLoss) {
      // Everything that the index knew stands in the segments.
      POP_RETURN_IF_ERROR(SetIndexAside(status));
      status = Recover();
    }
    POP_RETURN_IF_ERROR(status);
    return std::move(result_);
  }

 private:
  Status Recover() {
    POP_RETURN_IF_ERROR(OpenIndex());
    POP_RETURN_IF_ERROR(Replay());
    POP_RETURN_IF_ERROR(MakeBlobDirectory());
    POP_ASSIGN_OR_RETURN(const OrphanBlobs orphans,
                         FindOrphanBlobs(env_, blob_directory_, *result_.index, meta_.epoch));
    result_.epoch = std::max(result_.epoch, orphans.greatest_epoch);
    // Where records were lost, what they named is no orphan; and an index that is made anew misses
    // no segment that is gone.
    return result_.rebuilt || result_.damages > 0 ? KeepBlobs(orphans.files)
                                                  : DropBlobs(orphans.files);
  }

  Status OpenIndex() {
    result_ = {};
    meta_ = {};
    POP_ASSIGN_OR_RETURN(result_.index, OpenIndexFiles());
    POP_ASSIGN_OR_RETURN(const std::optional<IndexMeta> meta, result_.index->ReadMeta());
    result_.rebuilt = !meta.has_value();
    if (result_.rebuilt) POP_RETURN_IF_ERROR(StartIndexAnew());
    if (meta.has_value()) {
      meta_ = *meta;
      if (meta_.store_id != options_.superblock.store_id || meta_.partition != options_.partition) {
        return MakeStatus(StatusCode::kDataLoss, "the index is of another store or partition");
      }
    }
    result_.table = std::make_unique<MaildropTable>(options_.cache_bytes_max);
    POP_ASSIGN_OR_RETURN(auto known, result_.index->ReadSegments());
    const uint32_t last_known = known.empty() ? 0 : known.rbegin()->first;
    result_.table->LoadSegments(std::move(known));
    POP_ASSIGN_OR_RETURN(auto tenants, result_.index->ReadTenants());
    result_.table->LoadTenants(std::move(tenants));
    result_.next_id = std::max<uint64_t>(meta_.next_id, 1);
    result_.epoch = meta_.epoch;
    result_.known_us = meta_.known_us;
    result_.end = meta_.checkpoint;
    result_.next_segment = std::max(meta_.checkpoint.segment(), last_known) + 1;
    return OkStatus();
  }

  StatusOr<std::unique_ptr<Index>> OpenIndexFiles() {
    // A crash while an index was set aside may have left none.
    Status made = env_.MakeDirectory(index_directory_);
    if (made.ok()) POP_RETURN_IF_ERROR(env_.SyncDirectory(options_.directory));
    if (!made.ok() && made.code() != StatusCode::kAlreadyExists) return made;
    return Index::Open({index_directory_, options_.index_map_bytes, options_.index_engine});
  }

  // Without meta it is new, or what an interrupted rebuild left.
  Status StartIndexAnew() {
    result_.index.reset();
    for (const char* name : {"/data.mdb", "/lock.mdb"}) {
      const Status gone = env_.Unlink(index_directory_ + name);
      if (!gone.ok() && gone.code() != StatusCode::kNotFound) return gone;
    }
    POP_ASSIGN_OR_RETURN(result_.index, OpenIndexFiles());
    return OkStatus();
  }

  Status SetIndexAside(const Status& why) {
    result_ = {};
    for (int attempt = 0;; ++attempt) {
      const std::string aside = index_directory_ + ".damaged-" + std::to_string(attempt);
      if (env_.List(aside).ok()) continue;
      base::Log(base::LogLevel::kError, "store_index_set_aside",
                {{"partition", options_.partition}, {"as", aside}, {"why", why.ToString()}});
      POP_RETURN_IF_ERROR(env_.Rename(index_directory_, aside));
      break;
    }
    ++damages_before_;
    return OkStatus();
  }

  // Segments that were being laid out when the run ended.
  Status DropUnfinished() {
    POP_ASSIGN_OR_RETURN(const std::vector<std::string> names, env_.List(log_directory_));
    for (const std::string& name : names) {
      if (!name.ends_with(".tmp")) continue;
      const std::string path = log_directory_ + "/" + name;
      if (const Status gone = env_.Unlink(path); !gone.ok()) NameLeftFile(path, gone);
    }
    return OkStatus();
  }

  // It costs its space, and nobody their mail.
  void NameLeftFile(const std::string& path, const Status& why) {
    ++result_.damages;
    base::Log(base::LogLevel::kError, "store_file_left",
              {{"partition", options_.partition}, {"file", path}, {"why", why.ToString()}});
  }

  // Nothing of it is found any more, also when the index is built anew.
  Status DropSegment(uint32_t number) {
    result_.table->RemoveSegment(number);
    unlinked_segment_ = true;
    const std::string path = SegmentPath(log_directory_, number);
    const Status gone = env_.Unlink(path);
    if (gone.ok()) return OkStatus();
    NameLeftFile(path, gone);
    return env_.CutFile(path, kFirstBatchOffset);
  }

  void Name(const Damage& damage) {
    ++result_.damages;
    base::Log(base::LogLevel::kError, "store_damage",
              {{"partition", options_.partition},
               {"at", PlaceText(damage.at)},
               {"octets", damage.bytes},
               {"what", damage.what},
               {"tenant", damage.maildrop.tenant.value()},
               {"account", damage.maildrop.account},
               {"id", IdText(damage.id.value())}});
  }

  Status Replay() {
    POP_RETURN_IF_ERROR(DropUnfinished());
    // Segments before the checkpoint's are known to the index and are not looked at.
    survey_options_ = {&env_, log_directory_, options_.superblock.store_id, options_.partition,
                       meta_.checkpoint};
    POP_ASSIGN_OR_RETURN(const LogSurvey survey, SurveyLog(survey_options_, name_));
    if (!survey.present.empty()) {
      result_.next_segment = std::max(result_.next_segment, survey.present.back() + 1);
    }
    NameMissing(survey.present);
    Replayer replayer(*result_.index, *result_.table, result_.rebuilt);
    uint64_t bytes_read = 0, bytes_total = 0;
    for (const SurveyedSegment& segment : survey.segments) bytes_total += segment.bytes;
    for (const SurveyedSegment& segment : survey.segments) {
      result_.epoch = std::max(result_.epoch, segment.epoch);
      POP_RETURN_IF_ERROR(ReplaySegment(segment, survey.proven, replayer));
      bytes_read += segment.bytes;
      if (options_.on_progress) options_.on_progress(bytes_read, bytes_total);
    }
    result_.next_id = std::max(result_.next_id, replayer.next_id());
    result_.epoch = std::max(result_.epoch, EpochOf(result_.next_id));
    result_.records = replayer.records();
    result_.damages += replayer.damages() + damages_before_;
    POP_RETURN_IF_ERROR(WriteCheckpoint(true));
    if (!result_.index->unsound()) return OkStatus();
    return MakeStatus(StatusCode::kDataLoss, "a list in the index is damaged");
  }

  // Segments that are not there: a loss where messages live in them.
  void NameMissing(const std::vector<uint32_t>& present) {
    if (result_.rebuilt) return;
    std::vector<uint32_t> gone;
    for (const auto& [number, stats] : result_.table->segments()) {
      if (std::binary_search(present.begin(), present.end(), number)) continue;
      if (stats.live_records == 0) {
        gone.push_back(number);  // Unlinked after the last checkpoint.
        continue;
      }
      Name({Lsn(number, 0),
            stats.bytes,
            "a segment with living messages is missing",
            {},
            MessageId(0)});
    }
    for (const uint32_t number : gone) result_.table->RemoveSegment(number);
  }

  // What a killed process wrote may stand in the page cache alone: no index may name it yet.
  Status FlushSegment(uint32_t number) {
    POP_ASSIGN_OR_RETURN(const auto file, env_.OpenToRead(SegmentPath(log_directory_, number)));
    return file->SyncData();
  }

  Status ReplaySegment(const SurveyedSegment& segment, Lsn proven, Replayer& replayer) {
    if (!segment.sound) return OkStatus();
    const Lsn begin(segment.number, kFirstBatchOffset);
    const auto& known = result_.table->segments();
    if (!known.contains(segment.number)) {
      result_.table->AddSegment(segment.number,
                                {segment.salt, segment.bytes, 0, 0, kFirstBatchOffset, false});
    }
    POP_RETURN_IF_ERROR(FlushSegment(segment.number));
    POP_ASSIGN_OR_RETURN(const std::string bytes, ReadSegment(survey_options_, segment, name_));
    const uint64_t damages_before = replayer.damages();
    WalkOptions walk{segment.number, segment.salt, meta_.checkpoint, segment.end, proven};
    replayer.set_partition(options_.partition);
    const WalkResult walked = WalkSegment(bytes, walk, replayer);
    POP_RETURN_IF_ERROR(replayer.status());
    if (walked.torn) {
      base::Log(base::LogLevel::kInfo, "store_torn_tail",
                {{"partition", options_.partition}, {"at", PlaceText(walked.end)}});
    }
    const Lsn from = std::max(meta_.checkpoint, begin);
    if (walked.end > from) result_.bytes += walked.end.offset() - from.offset();
    result_.next_id = std::max(result_.next_id, walked.next_id);
    if (walked.batches == 0 && meta_.checkpoint <= begin && replayer.damages() == damages_before) {
      return DropSegment(segment.number);
    }
    result_.end = std::max(result_.end, walked.end);
    result_.table->SetSegmentEnd(segment.number, walked.end.offset());
    // What was left out must not be met again once the segment that says so is gone, perhaps as
    // soon as the next one is read.
    if (segment.bytes > walked.end.offset()) {
      POP_RETURN_IF_ERROR(
          env_.CutFile(SegmentPath(log_directory_, segment.number), walked.end.offset()));
      result_.table->SetSegmentBytes(segment.number, walked.end.offset());
    }
    if (result_.table->changes() < options_.checkpoint_changes &&
        result_.table->changed_maildrops() < options_.checkpoint_maildrops) {
      return OkStatus();
    }
    result_.next_id = std::max(result_.next_id, replayer.next_id());
    return WriteCheckpoint(!result_.rebuilt);
  }

  // A rebuild that is interrupted begins anew: until its end the index has no meta.
  Status WriteCheckpoint(bool with_meta) {
    // Nobody looks at such a segment again, and what says that its batch failed may go before it.
    if (std::exchange(unlinked_segment_, false)) {
      POP_RETURN_IF_ERROR(env_.SyncDirectory(log_directory_));
    }
    const UnlinkedBlobs unlinked =
        UnlinkBlobs(env_, blob_directory_, result_.table->TakeDoomedBlobs());
    NameLeftBlobs(options_.partition, unlinked);
    result_.damages += unlinked.left.size();
    return WriteIndex(with_meta ? std::optional(result_.rebuilt ? result_.epoch : meta_.epoch)
                                : std::nullopt);
  }

  Status WriteIndex(std::optional<uint32_t> epoch) {
    Checkpoint checkpoint = result_.table->TakeCheckpoint();
    if (epoch.has_value()) {
      checkpoint.meta = {options_.superblock.store_id,
                         options_.partition,
                         *epoch,
                         result_.end,
                         result_.next_id,
                         result_.known_us};
    }
    POP_RETURN_IF_ERROR(result_.index->Write(checkpoint));
    result_.table->FinishCheckpoint(checkpoint, true);
    return OkStatus();
  }

  // A copy of a store may have left out what was empty.
  Status MakeBlobDirectory() {
    if (env_.List(blob_directory_).status().code() != StatusCode::kNotFound) return OkStatus();
    uint64_t known = 0;
    POP_RETURN_IF_ERROR(result_.index->VisitBlobs(MessageId(0), [&](BlobId) { ++known; }));
    if (known > 0) {
      return MakeStatus(StatusCode::kFailedPrecondition,
                        blob_directory_ + " is missing, where the bodies of " +
                            std::to_string(known) +
                            " messages are: mount or put back what stood there");
    }
    POP_RETURN_IF_ERROR(env_.MakeDirectory(blob_directory_));
    return env_.SyncDirectory(options_.directory);
  }

  Status DropBlobs(const std::vector<OrphanBlobs::File>& orphans) {
    std::set<uint32_t> epochs;
    for (const OrphanBlobs::File& orphan : orphans) {
      epochs.insert(orphan.epoch);
      const Status gone = env_.Unlink(orphan.path);
      if (gone.ok()) continue;
      // It costs its space, and nobody else their mail.
      ++result_.damages;
      base::Log(
          base::LogLevel::kError, "store_blob_left",
          {{"partition", options_.partition}, {"blob", orphan.path}, {"why", gone.ToString()}});
    }
    for (const uint32_t epoch : epochs) {
      const std::string directory = blob_directory_ + "/" + BlobEpochName(epoch);
      // Before the checkpoint of a new run, after which nobody looks here again.
      POP_RETURN_IF_ERROR(env_.SyncDirectory(directory));
      (void)env_.RemoveDirectory(directory);  // Where it is empty now.
    }
    return OkStatus();
  }

  // The index says that they are of an epoch before its own: no later start looks at them.
  Status KeepBlobs(const std::vector<OrphanBlobs::File>& orphans) {
    if (orphans.empty()) return OkStatus();
    result_.blobs_kept = orphans.size();
    for (const OrphanBlobs::File& orphan : orphans) {
      base::Log(base::LogLevel::kWarning, "store_blob_kept",
                {{"partition", options_.partition}, {"blob", orphan.path}});
    }
    return WriteIndex(result_.epoch + 1);
  }

  const RecoveryOptions& options_;
  Env& env_;
  const std::string log_directory_;
  const std::string index_directory_;
  const std::string blob_directory_;
  IndexMeta meta_;
  LogSurveyOptions survey_options_;
  const DamageHandler name_ = [this](const Damage& damage) { Name(damage); };
  uint64_t damages_before_ = 0;
  bool unlinked_segment_ = false;
  RecoveredPartition result_;
};

}  // namespace

Status CheckFormats(const RecoveryOptions& options) {
  Lsn checkpoint;
  const auto index = Index::OpenToRead(
      {options.directory + "/index", options.index_map_bytes, options.index_engine});
  if (index.ok()) {
    const auto meta = (*index)->ReadMeta();
    if (meta.status().code() == StatusCode::kFailedPrecondition) return meta.status();
    // What another partition's index knows says nothing of this log.
    const bool own = meta.ok() && meta->has_value() && (*meta)->partition == options.partition &&
                     (*meta)->store_id == options.superblock.store_id;
    if (own) checkpoint = (*meta)->checkpoint;
  }
  return CheckLogFormat(options, checkpoint);
}

Status CheckLogFormat(const RecoveryOptions& options, Lsn checkpoint) {
  const LogSurveyOptions survey{options.env, options.directory + "/log",
                                options.superblock.store_id, options.partition, checkpoint};
  // Damage is named when the log is read.
  Status status = SurveyLog(survey, [](const Damage&) {}).status();
  if (options.env->List(survey.directory).status().code() != StatusCode::kNotFound) return status;
  return MakeStatus(
      StatusCode::kDataLoss,
      "its log is missing: mount or put back what stood there, or see \"A part of the "
      "store is missing\" in OPERATIONS.md");
}

StatusOr<RecoveredPartition> RecoverPartition(const RecoveryOptions& options) {
  return Recovery(options).Run();
}

}  // namespace poplar::storage
