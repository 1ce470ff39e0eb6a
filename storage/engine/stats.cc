#include "storage/engine/stats.h"

#include <algorithm>

#include "storage/engine/context.h"
#include "storage/engine/layout.h"
#include "storage/segment/log_survey.h"

namespace poplar::storage {
namespace {

void CountSegments(const std::map<uint32_t, SegmentStats>& segments, PartitionStats& stats) {
  for (const auto& [number, segment] : segments) {
    ++stats.segments;
    stats.segment_bytes += segment.bytes;
    stats.written_bytes += std::min<uint64_t>(segment.bytes, segment.end);
    stats.live_bytes += segment.live_bytes;
  }
}

Status CountIndex(Index& index, PartitionStats& stats) {
  POP_ASSIGN_OR_RETURN(const std::optional<IndexMeta> meta, index.ReadMeta());
  if (!meta.has_value()) return OkStatus();  // Of a rebuild that did not end, or not read any more.
  POP_ASSIGN_OR_RETURN(stats.index, index.ReadSums());
  stats.epoch = meta->epoch;
  stats.checkpoint = meta->checkpoint;
  return OkStatus();
}

void CountBehind(uint32_t segment, uint64_t end, PartitionStats& stats) {
  const Lsn begin = std::max(stats.checkpoint, Lsn(segment, kFirstBatchOffset));
  if (Lsn(segment, end) > begin) stats.log_behind_bytes += end - begin.offset();
}

// Of damage a start tells.
Status CountLogBehind(const LogSurveyOptions& log, PartitionStats& stats) {
  const auto survey = SurveyLog(log, [](const Damage&) {});
  if (survey.status().code() == StatusCode::kNotFound) return OkStatus();
  if (!survey.ok()) return survey.status();
  for (const SurveyedSegment& segment : survey->segments) {
    if (!segment.sound) continue;
    Lsn end = segment.end;
    if (end == kLsnMax) {
      const Lsn from = std::max(stats.checkpoint, Lsn(segment.number, kFirstBatchOffset));
      POP_ASSIGN_OR_RETURN(end, FindLogEnd(log, segment, from));
    }
    CountBehind(segment.number, end.offset(), stats);
  }
  return OkStatus();
}

Status CountClosed(const StatsOptions& options, const std::string& directory,
                   PartitionStats& stats) {
  const auto index = Index::OpenToRead({directory, options.index_map_bytes});
  if (index.status().code() == StatusCode::kNotFound) return OkStatus();  // None was made yet.
  POP_RETURN_IF_ERROR(index.status());
  POP_RETURN_IF_ERROR(CountIndex(**index, stats));
  if (stats.checkpoint == Lsn()) return OkStatus();
  POP_ASSIGN_OR_RETURN(const auto segments, (*index)->ReadSegments());
  CountSegments(segments, stats);
  return OkStatus();
}

StatusOr<PartitionStats> ReadPartition(const StatsOptions& options, Env& env,
                                       const Superblock& superblock, uint32_t partition) {
  PartitionStats stats;
  const std::string directory = PartitionDirectory(options.path, partition);
  const std::string index = directory + "/index";
  POP_RETURN_IF_ERROR(Annotate(CountClosed(options, index, stats), index));
  const LogSurveyOptions log{&env,      directory + "/log", superblock.store_id,
                             partition, stats.checkpoint,   true};
  POP_RETURN_IF_ERROR(Annotate(CountLogBehind(log, stats), log.directory));
  return stats;
}

}  // namespace

double PartitionStats::dead_share() const {
  if (written_bytes == 0) return 0;
  return 1 - static_cast<double>(live_bytes) / static_cast<double>(written_bytes);
}

void PartitionStats::Add(const PartitionStats& other) {
  segments += other.segments;
  segment_bytes += other.segment_bytes;
  written_bytes += other.written_bytes;
  live_bytes += other.live_bytes;
  index.maildrops += other.index.maildrops;
  index.messages += other.index.messages;
  index.octets += other.index.octets;
  index.kept_messages += other.index.kept_messages;
  index.kept_octets += other.index.kept_octets;
  index.wire_bytes += other.index.wire_bytes;
  index.blobs += other.index.blobs;
  index.file_bytes += other.index.file_bytes;
  epoch = std::max(epoch, other.epoch);
  log_behind_bytes += other.log_behind_bytes;
}

PartitionStats StoreStats::Total() const {
  PartitionStats total;
  for (const PartitionStats& partition : partitions) total.Add(partition);
  return total;
}

StatusOr<StoreStats> ReadStoreStats(const StatsOptions& options) {
  Env& env = options.env != nullptr ? *options.env : SystemEnv();
  StoreStats stats;
  stats.path = options.path;
  POP_ASSIGN_OR_RETURN(stats.superblock, ReadSuperblock(env, options.path));
  POP_ASSIGN_OR_RETURN(const auto lock, env.LockToRead(options.path + "/lock"));
  for (uint32_t p = 0; p < stats.superblock.partitions; ++p) {
    POP_ASSIGN_OR_RETURN(const PartitionStats partition,
                         ReadPartition(options, env, stats.superblock, p));
    stats.partitions.push_back(partition);
  }
  return stats;
}

StatusOr<StoreStats> OpenStoreStats(EngineContext& context) {
  StoreStats stats;
  stats.path = context.options.path;
  stats.superblock = context.superblock;
  stats.open = true;
  for (uint32_t p = 0; p < context.partitions.size(); ++p) {
    PartitionStats partition;
    std::map<uint32_t, SegmentStats> segments;
    context.shards.RunOn(context.ShardOf(p), [&](io::Shard&) {
      const Partition& of = *context.partitions[p];
      segments = of.table().segments();
      // The table knows where the one in use stood at the last checkpoint.
      const Lsn flushed = of.log().flushed();
      if (const auto in_use = segments.find(flushed.segment()); in_use != segments.end()) {
        in_use->second.end = flushed.offset();
      }
      CountSegments(segments, partition);
    });
    POP_RETURN_IF_ERROR(CountIndex(context.partitions[p]->index(), partition));
    for (const auto& [number, segment] : segments) CountBehind(number, segment.end, partition);
    stats.partitions.push_back(partition);
  }
  return stats;
}

}  // namespace poplar::storage
