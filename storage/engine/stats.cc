#include "storage/engine/stats.h"

#include <algorithm>

#include "storage/engine/context.h"
#include "storage/engine/layout.h"

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

StatusOr<PartitionStats> ReadPartition(const StatsOptions& options, uint32_t partition) {
  PartitionStats stats;
  const std::string directory = PartitionDirectory(options.path, partition) + "/index";
  const auto index = Index::OpenToRead({directory, options.index_map_bytes});
  if (index.status().code() == StatusCode::kNotFound) return stats;  // Never served.
  if (!index.ok()) return Annotate(index.status(), directory);
  POP_RETURN_IF_ERROR(Annotate(CountIndex(**index, stats), directory));
  if (stats.checkpoint == Lsn()) return stats;
  POP_ASSIGN_OR_RETURN(const auto segments, (*index)->ReadSegments());
  CountSegments(segments, stats);
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
    POP_ASSIGN_OR_RETURN(const PartitionStats partition, ReadPartition(options, p));
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
    context.shards.RunOn(context.ShardOf(p), [&](io::Shard&) {
      const Partition& of = *context.partitions[p];
      std::map<uint32_t, SegmentStats> segments = of.table().segments();
      // The table knows where the one in use stood at the last checkpoint.
      const Lsn flushed = of.log().flushed();
      if (const auto in_use = segments.find(flushed.segment()); in_use != segments.end()) {
        in_use->second.end = flushed.offset();
      }
      CountSegments(segments, partition);
    });
    POP_RETURN_IF_ERROR(CountIndex(context.partitions[p]->index(), partition));
    stats.partitions.push_back(partition);
  }
  return stats;
}

}  // namespace poplar::storage
