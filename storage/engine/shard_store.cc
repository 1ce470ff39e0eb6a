#include "storage/engine/shard_store.h"

#include <utility>

#include "storage/engine/delivery.h"
#include "storage/engine/maildrop.h"

namespace poplar::storage {
namespace {

uint64_t FileKey(uint32_t partition, uint32_t segment) {
  return (static_cast<uint64_t>(partition) << 32) | segment;
}

Status InvalidKey() {
  return MakeStatus(StatusCode::kInvalidArgument,
                    "an account id has 1 to 128 octets, a tenant id 63 bits");
}

void RefuseKey(io::Completion<OpenResult>& done) {
  OpenResult result;
  result.why = InvalidKey();
  done.Set(std::move(result));
}

}  // namespace

std::shared_ptr<const File> FileCache::Find(uint32_t partition, uint32_t segment) {
  const auto found = by_key_.find(FileKey(partition, segment));
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->file;
}

void FileCache::Keep(uint32_t partition, uint32_t segment, std::shared_ptr<const File> file) {
  const uint64_t key = FileKey(partition, segment);
  if (by_key_.contains(key)) return;
  entries_.push_front({key, std::move(file)});
  by_key_[key] = entries_.begin();
  if (entries_.size() > files_max_) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  open_.Set(static_cast<int64_t>(entries_.size()));
}

void FileCache::Forget(uint32_t partition, uint32_t segment) {
  const auto found = by_key_.find(FileKey(partition, segment));
  if (found == by_key_.end()) return;
  entries_.erase(found->second);
  by_key_.erase(found);
  open_.Set(static_cast<int64_t>(entries_.size()));
}

void EngineContext::Forget(ShardIndex shard, uint32_t partition, uint32_t segment) {
  stores[shard.value()]->files().Forget(partition, segment);
}

void ShardStoreMetrics::Register(base::MetricRegistry& registry,
                                 const base::MetricLabels& labels) const {
  registry.Add(body_bytes, "poplar_store_arriving_body_bytes",
               "Memory held by messages that arrive.", labels);
  registry.Add(open_maildrops, "poplar_store_open_maildrops", "Maildrops open on a shard.", labels);
  registry.Add(open_files, "poplar_store_open_files", "Segment files kept open to be read.",
               labels);
  registry.Add(files_opened, "poplar_store_files_opened_total",
               "Times that a segment file had to be opened to be read.", labels);
  registry.Add(bodies_to_blob_for_memory, "poplar_store_memory_blobs_total",
               "Small messages that became blobs because the memory for arriving ones was spent.",
               labels);
  registry.Add(damaged_bodies, "poplar_store_damaged_bodies_total",
               "Messages whose record was not what the index said.", labels);
}

EmbeddedShardStore::EmbeddedShardStore(EngineContext& context, io::Shard& shard)
    : context_(context),
      shard_(shard),
      budget_(context.options.body_memory_bytes / context.shards.count()),
      files_(context.options.open_files_a_shard, metrics_.open_files),
      policies_(context.options.policies) {}

void EmbeddedShardStore::OpenToRead(MaildropKey key, io::Completion<OpenResult>& done) {
  if (!ValidKey(key)) return RefuseKey(done);
  open_calls.Take(*this).StartToRead(std::move(key), done);
}

void EmbeddedShardStore::Open(MaildropKey key, SessionId session,
                              io::Completion<OpenResult>& done) {
  if (!ValidKey(key)) return RefuseKey(done);
  open_calls.Take(*this).Start(std::move(key), session, done);
}

std::unique_ptr<Delivery> EmbeddedShardStore::BeginDelivery(DeliveryRequest request) {
  return std::make_unique<EmbeddedDelivery>(*this, std::move(request));
}

void EmbeddedShardStore::Totals(MaildropKey key, io::Completion<StatusOr<MaildropTotals>>& done) {
  if (!ValidKey(key)) {
    done.Set(InvalidKey());
    return;
  }
  totals_calls.Take(*this).Start(key, done);
}

void EmbeddedShardStore::Remove(MaildropKey key, io::Completion<Status>& done) {
  if (!ValidKey(key)) {
    done.Set(InvalidKey());
    return;
  }
  remove_calls.Take(*this).Start(std::move(key), done);
}

void EmbeddedShardStore::HasRoom(DeliveryRecipient recipient, uint64_t octets,
                                 io::Completion<StatusOr<Room>>& done) {
  if (!ValidKey(recipient.key)) {
    done.Set(InvalidKey());
    return;
  }
  if (!recipient.quota.limited() && !policies_.Current().Of(recipient.key.tenant).quota.limited()) {
    done.Set(Room::kEnough);
    return;
  }
  room_calls.Take(*this).Start(std::move(recipient), octets, done);
}

void EmbeddedShardStore::ListKept(MaildropKey key,
                                  io::Completion<StatusOr<std::vector<KeptMessage>>>& done) {
  if (!ValidKey(key)) {
    done.Set(InvalidKey());
    return;
  }
  list_kept_calls.Take(*this).Start(key, done);
}

void EmbeddedShardStore::Undelete(MaildropKey key, UndeleteRequest request,
                                  io::Completion<UndeleteResult>& done) {
  if (!ValidKey(key)) {
    done.Set({0, InvalidKey()});
    return;
  }
  undelete_calls.Take(*this).Start(std::move(key), std::move(request), done);
}

std::unique_ptr<Maildrop> EmbeddedShardStore::MakeMaildrop(std::unique_ptr<OpenGrant> grant) {
  return std::make_unique<EmbeddedMaildrop>(*this, std::move(grant));
}

bool EmbeddedShardStore::idle() const {
  return open_calls.out() == 0 && commit_calls.out() == 0 && totals_calls.out() == 0 &&
         remove_calls.out() == 0 && room_calls.out() == 0 && list_kept_calls.out() == 0 &&
         undelete_calls.out() == 0 && blob_writers.out() == 0;
}

}  // namespace poplar::storage
