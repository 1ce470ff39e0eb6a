// A message on its way in: gathered in memory within the shard's budget, or streamed into a blob;
// then written to the log of every recipient's partition. Lives on the shard that took it.

#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/base/byte_buffer.h"
#include "storage/engine/deliver_call.h"

namespace poplar::storage {

class EmbeddedDelivery final : public Delivery {
 public:
  EmbeddedDelivery(EmbeddedShardStore& home, DeliveryRequest request);
  ~EmbeddedDelivery() override;

  void Write(std::string_view bytes, io::Completion<Status>& done) override;
  void Commit(const DeliveryFacts& facts,
              io::Completion<std::vector<DeliveryOutcome>>& done) override;

 private:
  friend class DeliverCall;

  bool BelongsIntoBlob(uint64_t bytes_more) const;
  void BecomeBlob();
  void AnswerWrite(const Status& status);
  void OnBlob(const Status& status);
  void FlushBuffer();
  void Charge();
  void Publish();
  void OnPublished(const Status& status);
  void SendCalls();
  void OnCallDone();
  void RememberEnd(std::string_view bytes);

  // What the blob writer is doing.
  enum class BlobStep : uint8_t { kNone, kOpening, kIdle, kWriting, kLastWrite, kPublishing };

  EmbeddedShardStore& home_;
  const DeliveryRequest request_;
  base::ByteBuffer buffer_;  // The whole body; of a blob: what is not in the file yet.
  uint64_t charged_bytes_ = 0;
  uint64_t bytes_ = 0;
  std::array<char, 5> end_{};  // The last octets, to prove the terminator.
  BlobWriter* blob_ = nullptr;
  BlobStep blob_step_ = BlobStep::kNone;
  std::vector<BlobId> blob_ids_;  // A recipient's, while its name is there; else 0.
  Record common_;
  std::vector<std::unique_ptr<DeliverCall>> calls_;
  size_t calls_under_way_ = 0;
  std::vector<DeliveryOutcome> outcomes_;
  io::Completion<Status>* write_done_ = nullptr;
  io::Completion<std::vector<DeliveryOutcome>>* commit_done_ = nullptr;
};

}  // namespace poplar::storage
