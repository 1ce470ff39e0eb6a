#include "storage/engine/kept_calls.h"

#include <utility>

#include "core/base/log.h"
#include "storage/engine/layout.h"
#include "storage/engine/shard_store.h"
#include "storage/format/checksum.h"

namespace poplar::storage {
namespace {

Status BeingChanged() {
  return MakeStatus(StatusCode::kUnavailable, "the kept mail is being changed just now; try again");
}

KeptMessage Describe(const EngineContext& context, uint32_t partition, const MessageEntry& entry,
                     std::string_view text) {
  const KeptInfo info = DecodeKeptInfo(text);
  KeptMessage message;
  message.octets = entry.octets;
  message.received_us = entry.received_us;
  message.deleted_us = info.deleted_us;
  message.deleted_by = SessionId(info.session);
  message.uidl = UidlIn(entry, text);
  if (message.uidl.empty()) {
    message.uidl.resize(kOwnUidlBytes);
    WriteUidl(context.superblock.tag(), partition, entry.id, message.uidl.data());
  }
  return message;
}

template <class Visit>
void ForEachKept(const EngineContext& context, uint32_t partition, const MessageList& list,
                 const Visit& visit) {
  uint32_t hint = 0;
  for (uint32_t i = 0; i < list.count(); ++i) {
    const MessageEntry& entry = list.At(i, hint);
    visit(entry.id, Describe(context, partition, entry, list.Text(i, hint)));
  }
}

bool Wanted(const UndeleteRequest& request, const KeptMessage& message) {
  return (request.uidl.empty() || request.uidl == message.uidl) &&
         (!request.session.has_value() || *request.session == message.deleted_by) &&
         message.deleted_us >= request.since_us;
}

}  // namespace

// --- ListKeptCall

void ListKeptCall::Start(const MaildropKey& key, io::Completion<Answer>& done) {
  EngineContext& context = home_.context();
  done_ = &done;
  answer_ = std::vector<KeptMessage>();
  partition_ = context.Place(key);
  kept_key_ = KeptKeyOf(EncodeMaildropKey(key));
  home_.shard().Send(context.ShardOf(partition_), *this);
}

void ListKeptCall::Execute(io::Shard& /*target*/) {
  home_.context().partitions[partition_]->WithList(kept_key_, *this);
}

void ListKeptCall::MaildropReady(MaildropState* kept, const Status& why) {
  if (kept == nullptr) {
    answer_ = why;
  } else {
    ForEachKept(home_.context(), partition_, *kept->list,
                [this](MessageId, KeptMessage message) { answer_->push_back(std::move(message)); });
  }
  Reply();
}

void ListKeptCall::Completed() {
  io::Completion<Answer>& done = *done_;
  Answer answer = std::move(answer_);
  home_.list_kept_calls.Give(*this);
  done.Set(std::move(answer));
}

void ListKeptCall::Expired() {
  answer_ = NoCredit();
  Completed();
}

// --- UndeleteCall

void UndeleteCall::Start(MaildropKey key, UndeleteRequest request,
                         io::Completion<UndeleteResult>& done) {
  EngineContext& context = home_.context();
  done_ = &done;
  request_ = std::move(request);
  key_ = std::move(key);
  encoded_key_ = EncodeMaildropKey(key_);
  partition_ = context.Place(key_);
  result_ = {};
  living_asked_ = false;
  left_.clear();
  home_.shard().Send(context.ShardOf(partition_), *this);
}

Partition& UndeleteCall::partition() { return *home_.context().partitions[partition_]; }

void UndeleteCall::Execute(io::Shard& /*target*/) { partition().WithTotals(encoded_key_, *this); }

void UndeleteCall::MaildropReady(MaildropState* maildrop, const Status& why) {
  if (!std::exchange(living_asked_, true)) {
    // Of a damaged one nobody knows how much is there.
    if (maildrop == nullptr && why.code() != StatusCode::kDataLoss) {
      result_.why = why;
      return Finish();
    }
    living_ = maildrop;
    if (living_ != nullptr) ++living_->pins;
    return partition().WithList(KeptKeyOf(encoded_key_), *this);
  }
  if (maildrop == nullptr || maildrop->deletions > 0) {
    result_.why = maildrop == nullptr ? why : BeingChanged();
    return Finish();
  }
  kept_ = maildrop;
  ++kept_->pins;
  ++kept_->deletions;
  if (!partition().WaitForMoves(*kept_, *this)) MovesEnded();
}

void UndeleteCall::MovesEnded() {
  segments_ = partition().keeper().segments();
  ForEachKept(home_.context(), partition_, *kept_->list,
              [this](MessageId id, const KeptMessage& message) {
                if (Wanted(request_, message)) left_.push_back(id);
              });
  Next();
}

bool UndeleteCall::TooMany() const {
  return living_ != nullptr &&
         living_->messages() >= home_.context().options.messages_per_maildrop_max;
}

void UndeleteCall::Next() {
  const MessageEntry* entry = nullptr;
  while (entry == nullptr) {
    if (left_.empty()) return Finish();
    entry = kept_->list->Find(left_.front());
    left_.pop_front();
  }
  if (TooMany()) {
    result_.why = MakeStatus(StatusCode::kResourceExhausted,
                             "the maildrop holds " + std::to_string(living_->messages()) +
                                 " messages, as many as one may: delete some of them first");
    return Finish();
  }
  fetch_.entry = *entry;
  const bool in_blob = (entry->flags & kEntryInBlob) != 0;
  fetch_.new_blob = in_blob ? home_.context().NewBlobId() : BlobId(0);
  EngineContext& context = home_.context();
  io::Reactor& reactor = context.stores[context.ShardOf(partition_).value()]->shard().reactor();
  if (context.disk.Submit(reactor, key_.tenant.value(), fetch_)) return;
  result_.why = MakeStatus(StatusCode::kUnavailable, "the disk pool's queue is full");
  Finish();
}

StatusOr<Record> UndeleteCall::FetchJob::Fetch() {
  const EngineContext& context = call_.home_.context();
  const std::optional<uint64_t> salt = call_.segments_->SaltOf(entry.lsn.segment());
  if (!salt.has_value()) {
    return MakeStatus(StatusCode::kDataLoss, "the message's segment is missing");
  }
  const std::string path = PartitionDirectory(context.options.path, call_.partition_) + "/log/" +
                           SegmentName(entry.lsn.segment()) + ".seg";
  POP_ASSIGN_OR_RETURN(const auto file, context.options.env->OpenToRead(path));
  bytes.assign(kRecordHeadBytesMax + (new_blob == BlobId(0) ? entry.wire_bytes : 0), '\0');
  POP_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(bytes, entry.lsn.offset()));
  bytes.resize(got);
  std::optional<Record> found = DecodeRecordHead(bytes, entry.lsn, *salt);
  if (!found.has_value() || found->id != entry.id || found->tenant != call_.key_.tenant ||
      found->account != call_.key_.account || found->in_blob() != (new_blob != BlobId(0))) {
    return MakeStatus(StatusCode::kDataLoss, "the record's head is not that of the message");
  }
  if (new_blob != BlobId(0)) {
    POP_RETURN_IF_ERROR(LinkBlob());
    return *found;
  }
  found->body = std::string_view(bytes).substr(found->head_bytes(), found->body_bytes);
  if (!BodyIsSound(*found, found->body)) {
    return MakeStatus(StatusCode::kDataLoss, "the message is damaged");
  }
  return *found;
}

Status UndeleteCall::FetchJob::LinkBlob() {
  const EngineContext& context = call_.home_.context();
  const std::string blobs = PartitionDirectory(context.options.path, call_.partition_) + "/blobs/";
  POP_RETURN_IF_ERROR(
      context.options.env->Link(blobs + BlobName(entry.blob), blobs + BlobName(new_blob)));
  return context.options.env->SyncDirectory(blobs + BlobEpochName(context.epoch));
}

void UndeleteCall::OnFetched() {
  if (!fetch_.record.ok()) {
    // Of one that is damaged the others are not robbed.
    result_.why = fetch_.record.status();
    base::Log(base::LogLevel::kError, "store_undelete_failed",
              {{"partition", partition_},
               {"tenant", key_.tenant.value()},
               {"account", key_.account},
               {"id", fetch_.entry.id.value()},
               {"why", result_.why.ToString()}});
    const StatusCode code = result_.why.code();
    return code == StatusCode::kDataLoss || code == StatusCode::kNotFound ? Next() : Finish();
  }
  // All of the maildrop may have been removed meanwhile: nothing of it comes back.
  if (kept_->list->Find(fetch_.entry.id) == nullptr) {
    if (fetch_.new_blob != BlobId(0)) partition().UnlinkBlob(fetch_.new_blob);
    return Next();
  }
  // Or it is about to be, by a record that must not come before this one's.
  if (kept_->deletions > 1) {
    if (fetch_.new_blob != BlobId(0)) partition().UnlinkBlob(fetch_.new_blob);
    result_.why = BeingChanged();
    return Finish();
  }
  const Record& old = *fetch_.record;
  record = {};
  record.kind = old.in_blob() ? RecordKind::kAddRef : RecordKind::kAdd;
  record.flags = kRecordRestored;
  restored_id_ = EncodeRestoredId(fetch_.entry.id);
  record.text = restored_id_;
  record.moved_from = fetch_.entry.lsn;
  record.tenant = key_.tenant;
  record.account = key_.account;
  record.time_us = old.time_us;
  record.day = DayOf(home_.context().options.clock->WallUs());
  record.body_checksum = old.body_checksum;
  record.reference = fetch_.new_blob.value();
  record.octets = old.octets;
  record.wire_bytes = old.wire_bytes;
  record.header_bytes = old.header_bytes;
  record.body = old.body;
  record.body_bytes = old.body_bytes;
  kept_->restoring = true;
  partition().log().Append(*this);
}

void UndeleteCall::Appended(AppendOutcome outcome, Lsn at) {
  Partition& owner = partition();
  owner.RestoreEnded(*kept_);
  if (outcome != AppendOutcome::kDurable) {
    if (fetch_.new_blob != BlobId(0) && outcome != AppendOutcome::kUnknown) {
      owner.UnlinkBlob(fetch_.new_blob);
    }
    result_.why = MakeStatus(
        outcome == AppendOutcome::kFull ? StatusCode::kResourceExhausted : StatusCode::kUnavailable,
        "a message could not be written to the log");
    return Finish();
  }
  MaildropTable& table = owner.table();
  table.Add(table.FindOrMake(encoded_key_), EntryOf(record, at), {});
  const MessageId old = record.restores();
  table.Expunge(*kept_, {&old, 1});
  ++result_.messages;
  owner.metrics().restored.Add();
  owner.Applied();
  Next();
}

void UndeleteCall::Finish() {
  segments_.reset();
  MaildropTable& table = partition().table();
  if (living_ != nullptr) table.Unpin(*std::exchange(living_, nullptr));
  if (kept_ != nullptr) {
    --kept_->deletions;
    table.Unpin(*std::exchange(kept_, nullptr));
  }
  partition().Applied();
  Reply();
}

void UndeleteCall::Completed() {
  io::Completion<UndeleteResult>& done = *done_;
  UndeleteResult result = std::move(result_);
  home_.undelete_calls.Give(*this);
  done.Set(std::move(result));
}

void UndeleteCall::Expired() {
  result_.why = NoCredit();
  Completed();
}

}  // namespace poplar::storage
