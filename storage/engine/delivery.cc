#include "storage/engine/delivery.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "storage/engine/layout.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kBlobPieceBytes = 128 * kKiB;

DeliveryOutcome OutcomeOf(const Status& status) {
  return status.code() == StatusCode::kResourceExhausted ? DeliveryOutcome::kFull
                                                         : DeliveryOutcome::kTemporary;
}

}  // namespace

EmbeddedDelivery::EmbeddedDelivery(EmbeddedShardStore& home, DeliveryRequest request)
    : home_(home), request_(std::move(request)) {
  const std::string& uidl = request_.imported_uidl;
  if (uidl.empty()) return;
  POP_CHECK(uidl.size() <= kUidlBytesMax && request_.recipients.size() == 1);
  POP_CHECK(std::all_of(uidl.begin(), uidl.end(), [](char c) { return c > 0x20 && c < 0x7F; }));
  common_.flags = kRecordImported;
  common_.text = uidl;
}

EmbeddedDelivery::~EmbeddedDelivery() {
  POP_CHECK(calls_under_way_ == 0);
  buffer_.Release();
  Charge();
  if (blob_ == nullptr) return;
  // The writer outlives this delivery and cleans up behind it.
  blob_->Abandon(&home_, [](void* home, BlobWriter& writer) {
    static_cast<EmbeddedShardStore*>(home)->blob_writers.Give(writer);
  });
}

void EmbeddedDelivery::Charge() {
  home_.budget().Charge(buffer_.capacity(), charged_bytes_);
  charged_bytes_ = buffer_.capacity();
  home_.metrics().body_bytes.Set(static_cast<int64_t>(home_.budget().used()));
}

void EmbeddedDelivery::RememberEnd(std::string_view bytes) {
  if (bytes.size() >= end_.size()) {
    std::copy(bytes.end() - end_.size(), bytes.end(), end_.begin());
    return;
  }
  std::rotate(end_.begin(), end_.begin() + bytes.size(), end_.end());
  std::copy(bytes.begin(), bytes.end(), end_.end() - bytes.size());
}

bool EmbeddedDelivery::BelongsIntoBlob(uint64_t bytes_more) const {
  const uint64_t blob_bytes_min = home_.context().options.blob_bytes_min;
  if (buffer_.size() + bytes_more >= blob_bytes_min || request_.expected_bytes >= blob_bytes_min) {
    return true;
  }
  if (buffer_.size() + bytes_more <= buffer_.capacity() || home_.budget().Has(bytes_more)) {
    return false;
  }
  home_.metrics().bodies_to_blob_for_memory.Add();
  return true;
}

void EmbeddedDelivery::Write(std::string_view bytes, io::Completion<Status>& done) {
  POP_CHECK(write_done_ == nullptr && commit_done_ == nullptr);
  const bool becomes_blob = blob_ == nullptr && BelongsIntoBlob(bytes.size());
  buffer_.Append(bytes);
  Charge();
  bytes_ += bytes.size();
  RememberEnd(bytes);
  write_done_ = &done;
  if (becomes_blob) {
    BecomeBlob();
  } else if (blob_ != nullptr && buffer_.size() >= kBlobPieceBytes) {
    FlushBuffer();
  } else {
    AnswerWrite(OkStatus());
  }
}

void EmbeddedDelivery::AnswerWrite(const Status& status) {
  std::exchange(write_done_, nullptr)->Set(status);
}

void EmbeddedDelivery::BecomeBlob() {
  EngineContext& context = home_.context();
  BlobWriter::Options options;
  options.env = context.options.env;
  options.path = context.options.path + "/incoming/" +
                 std::to_string(home_.context().NewBlobId().value()) + ".tmp";
  options.room = &context.disk_room;
  // Below the floor of segments, or those that are laid out ahead would take what deleted blobs
  // leave, and nobody could ever have one in their place.
  options.free_bytes_floor = context.options.reserve_bytes - context.options.reserve_bytes / 8;
  options.expected_bytes = request_.expected_bytes;
  options.pool_key =
      request_.recipients.empty() ? 0 : request_.recipients.front().key.tenant.value();
  blob_ = &home_.TakeBlobWriter();
  blob_step_ = BlobStep::kOpening;
  blob_->Open(std::move(options), this, [](void* self, const Status& status) {
    static_cast<EmbeddedDelivery*>(self)->OnBlob(status);
  });
}

void EmbeddedDelivery::FlushBuffer() {
  blob_step_ = BlobStep::kWriting;
  blob_->Write(buffer_.view());
}

void EmbeddedDelivery::OnBlob(const Status& status) {
  switch (std::exchange(blob_step_, BlobStep::kIdle)) {
    case BlobStep::kOpening:
      if (status.ok()) return FlushBuffer();
      return AnswerWrite(status);
    case BlobStep::kWriting:
      buffer_.Clear();
      if (buffer_.capacity() > 2 * kBlobPieceBytes) buffer_.Release();
      Charge();
      return AnswerWrite(status);
    case BlobStep::kLastWrite:
      if (status.ok()) return Publish();
      return OnPublished(status);
    case BlobStep::kPublishing:
      return OnPublished(status);
    case BlobStep::kNone:
    case BlobStep::kIdle:
      break;
  }
  POP_CHECK(false);
}

void EmbeddedDelivery::Commit(const DeliveryFacts& facts,
                              io::Completion<std::vector<DeliveryOutcome>>& done) {
  POP_CHECK(write_done_ == nullptr && commit_done_ == nullptr);
  POP_CHECK(facts.wire_bytes == bytes_ && facts.header_bytes <= bytes_);
  POP_CHECK(facts.octets <= bytes_ && bytes_ <= UINT32_MAX);
  // A message holds its terminator, once, at its end.
  POP_CHECK((bytes_ == 3 && std::memcmp(&end_[2], ".\r\n", 3) == 0) ||
            std::memcmp(end_.data(), "\r\n.\r\n", 5) == 0);
  commit_done_ = &done;
  outcomes_.assign(request_.recipients.size(), DeliveryOutcome::kTemporary);
  blob_ids_.assign(request_.recipients.size(), BlobId(0));
  common_.time_us = request_.received_us;
  common_.day = DayOf(home_.context().options.clock->WallUs());
  common_.octets = static_cast<uint32_t>(facts.octets);
  common_.wire_bytes = static_cast<uint32_t>(facts.wire_bytes);
  common_.header_bytes = static_cast<uint32_t>(facts.header_bytes);
  common_.kind = blob_ == nullptr ? RecordKind::kAdd : RecordKind::kAddRef;
  if (blob_ == nullptr) {
    common_.body = buffer_.view();
    common_.body_bytes = common_.wire_bytes;
    common_.body_checksum = Checksum(common_.body);
    SendCalls();
  } else if (buffer_.empty()) {
    Publish();
  } else {
    blob_step_ = BlobStep::kLastWrite;
    blob_->Write(buffer_.view());
  }
}

// Every recipient gets a name of its own for the blob.
void EmbeddedDelivery::Publish() {
  EngineContext& context = home_.context();
  POP_CHECK(blob_->written_bytes() == bytes_);
  std::vector<BlobLink> links;
  for (size_t i = 0; i < request_.recipients.size(); ++i) {
    const std::string blobs =
        PartitionDirectory(context.options.path, context.Place(request_.recipients[i].key)) +
        "/blobs/";
    blob_ids_[i] = context.NewBlobId();
    links.push_back({blobs + BlobEpochName(context.epoch), blobs + BlobName(blob_ids_[i]), {}});
  }
  common_.body_checksum = blob_->checksum();
  blob_step_ = BlobStep::kPublishing;
  blob_->Publish(std::move(links));
}

void EmbeddedDelivery::OnPublished(const Status& status) {
  for (size_t i = 0; i < request_.recipients.size(); ++i) {
    const Status& link = status.ok() ? blob_->links()[i].status : status;
    if (link.ok()) continue;
    blob_ids_[i] = BlobId(0);
    outcomes_[i] = OutcomeOf(link);
    base::Log(base::LogLevel::kError, "store_blob_failed", {{"why", link.ToString()}});
  }
  SendCalls();
}

void EmbeddedDelivery::SendCalls() {
  for (size_t i = 0; i < request_.recipients.size(); ++i) {
    const MaildropKey& key = request_.recipients[i].key;
    if (!ValidKey(key)) continue;
    if (common_.kind == RecordKind::kAddRef && blob_ids_[i] == BlobId(0)) continue;
    const uint32_t partition = home_.context().Place(key);
    auto call = std::find_if(calls_.begin(), calls_.end(),
                             [&](const auto& each) { return each->partition() == partition; });
    if (call == calls_.end()) {
      calls_.push_back(std::make_unique<DeliverCall>(*this, partition));
      call = calls_.end() - 1;
    }
    (*call)->AddRecipient(i, request_.recipients[i]);
  }
  calls_under_way_ = calls_.size() + 1;
  for (const auto& call : calls_) call->Send(common_);
  OnCallDone();
}

void EmbeddedDelivery::OnCallDone() {
  if (--calls_under_way_ > 0) return;
  std::exchange(commit_done_, nullptr)->Set(std::move(outcomes_));
}

}  // namespace poplar::storage
