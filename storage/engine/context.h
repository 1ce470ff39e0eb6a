// What the shards of one open store share. Set up before they serve, immutable afterwards but for
// the blob counter; each partition is used on its own shard only.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/blob/blob_writer.h"
#include "storage/engine/engine.h"
#include "storage/engine/partition.h"
#include "storage/engine/steady_date.h"

namespace poplar::storage {

class EmbeddedShardStore;

struct EngineContext final : public OpenSegments {
  EngineContext(StoreOptions store_options, const Superblock& block, io::ShardSet& shard_set,
                io::OffloadPool& disk_pool)
      : options(std::move(store_options)),
        superblock(block),
        shards(shard_set),
        disk(disk_pool),
        partitions(block.partitions) {}

  const StoreOptions options;  // With env, clock and the reserve filled in.
  const Superblock superblock;
  io::ShardSet& shards;
  io::OffloadPool& disk;
  uint32_t epoch = 0;
  std::vector<std::unique_ptr<Partition>> partitions;
  std::vector<EmbeddedShardStore*> stores;  // By shard.
  std::atomic<uint64_t> next_blob{1};
  DiskRoom disk_room;
  TenantLedger ledger;  // What all partitions' maildrops hold.
  std::unique_ptr<SteadyDate> date;

  uint32_t Place(const MaildropKey& key) const { return PlacePartition(superblock, key); }
  ShardIndex ShardOf(uint32_t partition) const { return ShardIndex(partition % shards.count()); }
  // How many live on its shard.
  uint64_t PartitionsBeside(uint32_t partition) const {
    const uint64_t first = ShardOf(partition).value();
    return (partitions.size() - first + shards.count() - 1) / shards.count();
  }
  void Forget(ShardIndex shard, uint32_t partition, uint32_t segment) override;
  BlobId NewBlobId() {
    return BlobId((static_cast<uint64_t>(epoch) << 32) |
                  next_blob.fetch_add(1, std::memory_order_relaxed));
  }
};

}  // namespace poplar::storage
