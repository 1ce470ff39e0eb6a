#include "storage/engine/compaction_state.h"

#include "storage/engine/context.h"

namespace poplar::storage {
namespace {

void Add(Partition& partition, CompactionState& state) {
  const Compactor& compactor = partition.compactor();
  state.running |= compactor.thorough() || partition.keeper().unlinking();
  for (const auto& [number, stats] : partition.table().segments()) {
    state.log_bytes += stats.bytes;
    state.live_bytes += stats.live_bytes;
  }
  state.kept += compactor.kept();
  state.emptied += compactor.metrics().segments_emptied.Read();
  state.unlinked += compactor.metrics().segments_unlinked.Read();
  state.failures += compactor.metrics().failures.Read();
}

}  // namespace

void BeginCompaction(EngineContext& context) {
  for (uint32_t p = 0; p < context.partitions.size(); ++p) {
    context.shards.RunOn(context.ShardOf(p),
                         [&](io::Shard&) { context.partitions[p]->compactor().BeginThorough(); });
  }
}

CompactionState ReadCompaction(EngineContext& context) {
  CompactionState state;
  for (uint32_t p = 0; p < context.partitions.size(); ++p) {
    context.shards.RunOn(context.ShardOf(p),
                         [&](io::Shard&) { Add(*context.partitions[p], state); });
  }
  return state;
}

}  // namespace poplar::storage
