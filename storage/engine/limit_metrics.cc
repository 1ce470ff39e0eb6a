#include "storage/engine/limit_metrics.h"

#include <string_view>

namespace poplar::storage {

void RegisterLimits(const EngineContext& context, base::MetricRegistry& registry) {
  const auto add = [&](uint64_t limit, std::string_view name, std::string_view help) {
    registry.AddComputed(
        base::MetricRegistry::Kind::kGauge, [limit] { return static_cast<double>(limit); }, name,
        help);
  };
  const StoreOptions& options = context.options;
  const uint64_t partitions = context.partitions.size();
  add(partitions, "poplar_store_partitions", "Partitions of the store.");
  add(options.reserve_bytes, "poplar_store_reserve_bytes",
      "Octets of the disk that are kept for deletions and the index.");
  add(options.body_memory_bytes, "poplar_store_arriving_body_bytes_max",
      "Memory that messages that arrive may hold, each shard an equal part.");
  add(options.list_cache_bytes, "poplar_store_list_cache_bytes_max",
      "Octets that lists in memory may have, each partition an equal part.");
  add(kOverlayFactor * options.checkpoint_changes * partitions, "poplar_store_pending_changes_max",
      "Changes that may wait for a checkpoint, each partition an equal part; then no mail is "
      "taken.");
  add(uint64_t{options.open_files_a_shard} * context.shards.count(), "poplar_store_open_files_max",
      "Segment files that may be kept open, each shard an equal part.");
}

}  // namespace poplar::storage
