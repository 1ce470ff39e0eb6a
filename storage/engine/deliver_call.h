// A message on its way into the log of one partition: a record for each recipient there, within his
// quota and his tenant's.

#pragma once

#include <memory>
#include <vector>

#include "storage/engine/shard_store.h"

namespace poplar::storage {

class EmbeddedDelivery;

// The recipients of one delivery whose maildrops share a partition.
class DeliverCall final : public io::ShardRequest {
 public:
  DeliverCall(EmbeddedDelivery& delivery, uint32_t partition);
  ~DeliverCall() override;

  uint32_t partition() const { return partition_; }
  void AddRecipient(size_t index, const DeliveryRecipient& recipient);
  // On the delivery's shard. The body's bytes stay until the end.
  void Send(const Record& common);

 private:
  class Append;

  void Execute(io::Shard& target) override;
  void OnAppended();
  void Completed() override;
  void Expired() override;

  EmbeddedDelivery& delivery_;
  const uint32_t partition_;
  std::vector<std::unique_ptr<Append>> appends_;
  size_t waiting_ = 0;
};

}  // namespace poplar::storage
