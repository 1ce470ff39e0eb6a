// The embedded store as one shard sees it: hands calls to the partitions' shards, keeps the budget
// for arriving bodies and the open segment files. Lives on its shard.

#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "storage/engine/calls.h"
#include "storage/engine/commit_call.h"
#include "storage/engine/kept_calls.h"

namespace poplar::storage {

// Memory for bodies that arrive, for one shard.
class BodyBudget {
 public:
  explicit BodyBudget(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  bool Has(uint64_t bytes) const { return used_ + bytes <= bytes_max_; }
  void Charge(uint64_t now, uint64_t before) { used_ += now - before; }
  uint64_t used() const { return used_; }

 private:
  const uint64_t bytes_max_;
  uint64_t used_ = 0;
};

// Segment files open for reading, the ones used last kept.
class FileCache {
 public:
  // `open` shows how many there are.
  FileCache(uint32_t files_max, base::Gauge& open) : files_max_(files_max), open_(open) {}
  // Null: not open.
  std::shared_ptr<const File> Find(uint32_t partition, uint32_t segment);
  void Keep(uint32_t partition, uint32_t segment, std::shared_ptr<const File> file);
  void Forget(uint32_t partition, uint32_t segment);

 private:
  struct Entry {
    uint64_t key;
    std::shared_ptr<const File> file;
  };
  const uint32_t files_max_;
  base::Gauge& open_;
  std::list<Entry> entries_;  // The one used last first.
  std::unordered_map<uint64_t, std::list<Entry>::iterator> by_key_;
};

struct alignas(base::kCacheLineBytes) ShardStoreMetrics {
  base::Gauge body_bytes;
  base::Gauge open_maildrops;
  base::Gauge open_files;
  base::Counter files_opened;
  base::Counter bodies_to_blob_for_memory;
  base::Counter damaged_bodies;

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

class EmbeddedShardStore final : public ShardStore {
 public:
  EmbeddedShardStore(EngineContext& context, io::Shard& shard);

  void Open(MaildropKey key, SessionId session, io::Completion<OpenResult>& done) override;
  void OpenToRead(MaildropKey key, io::Completion<OpenResult>& done) override;
  std::unique_ptr<Delivery> BeginDelivery(DeliveryRequest request) override;
  void Totals(MaildropKey key, io::Completion<StatusOr<MaildropTotals>>& done) override;
  void Remove(MaildropKey key, io::Completion<Status>& done) override;
  void HasRoom(DeliveryRecipient recipient, uint64_t octets,
               io::Completion<StatusOr<Room>>& done) override;
  void ListKept(MaildropKey key, io::Completion<StatusOr<std::vector<KeptMessage>>>& done) override;
  void Undelete(MaildropKey key, UndeleteRequest request,
                io::Completion<UndeleteResult>& done) override;

  std::unique_ptr<Maildrop> MakeMaildrop(std::unique_ptr<OpenGrant> grant);
  BlobWriter& TakeBlobWriter() { return blob_writers.Take(shard_.reactor(), context_.disk); }

  EngineContext& context() { return context_; }
  io::Shard& shard() { return shard_; }
  BodyBudget& budget() { return budget_; }
  FileCache& files() { return files_; }
  ShardStoreMetrics& metrics() { return metrics_; }
  // Nothing of this shard is under way.
  bool idle() const;

  // For the calls, which give themselves back.
  CallPool<OpenCall> open_calls;
  CallPool<CommitCall> commit_calls;
  CallPool<TotalsCall> totals_calls;
  CallPool<RemoveCall> remove_calls;
  CallPool<RoomCall> room_calls;
  CallPool<ListKeptCall> list_kept_calls;
  CallPool<UndeleteCall> undelete_calls;
  CallPool<BlobWriter> blob_writers;

 private:
  EngineContext& context_;
  io::Shard& shard_;
  ShardStoreMetrics metrics_;
  BodyBudget budget_;
  FileCache files_;
  PolicyReader policies_;
};

}  // namespace poplar::storage
