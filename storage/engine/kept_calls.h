// What is asked of the kept mail of a maildrop: what there is, and to bring some of it back.

#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/io/offload_pool.h"
#include "storage/engine/calls.h"

namespace poplar::storage {

class ListKeptCall final : public io::ShardRequest, private MaildropWaiter {
 public:
  using Answer = StatusOr<std::vector<KeptMessage>>;
  explicit ListKeptCall(EmbeddedShardStore& home) : home_(home) {}
  void Start(const MaildropKey& key, io::Completion<Answer>& done);

 private:
  void Execute(io::Shard& target) override;
  void MaildropReady(MaildropState* kept, const Status& why) override;
  void Completed() override;
  void Expired() override;

  EmbeddedShardStore& home_;
  std::string kept_key_;
  uint32_t partition_ = 0;
  io::Completion<Answer>* done_ = nullptr;
  Answer answer_ = std::vector<KeptMessage>();
};

// One message after the other is read and appended again, as a new one whose record ends the
// keeping of the old: a crash leaves each in one place. The maildrop takes no more than it may
// hold.
class UndeleteCall final : public io::ShardRequest,
                           private MaildropWaiter,
                           private MovesWaiter,
                           private LogAppend {
 public:
  explicit UndeleteCall(EmbeddedShardStore& home) : home_(home) {}
  void Start(MaildropKey key, UndeleteRequest request, io::Completion<UndeleteResult>& done);

 private:
  // Reads a message's record, and gives its blob another name.
  class FetchJob final : public io::OffloadJob {
   public:
    explicit FetchJob(UndeleteCall& call) : call_(call) {}

    MessageEntry entry;
    BlobId new_blob{0};  // Of a message in a blob.
    std::string bytes;   // Of the record; `record` points into it.
    StatusOr<Record> record = Record();

   private:
    void Work() override { record = Fetch(); }
    void Done() override { call_.OnFetched(); }
    StatusOr<Record> Fetch();
    Status LinkBlob();
    UndeleteCall& call_;
  };

  void Execute(io::Shard& target) override;
  void MaildropReady(MaildropState* kept, const Status& why) override;
  void MovesEnded() override;
  void Next();
  void OnFetched();
  void Appended(AppendOutcome outcome, Lsn at) override;
  void Finish();
  void Completed() override;
  void Expired() override;
  bool TooMany() const;
  Partition& partition();

  EmbeddedShardStore& home_;
  MaildropKey key_;
  std::string encoded_key_;
  uint32_t partition_ = 0;
  UndeleteRequest request_;
  bool living_asked_ = false;
  MaildropState* living_ = nullptr;               // Pinned, and counted; null: it is damaged.
  MaildropState* kept_ = nullptr;                 // Pinned, and not moved meanwhile.
  std::shared_ptr<const SegmentTable> segments_;  // Holds the files.
  std::deque<MessageId> left_;
  std::string restored_id_;  // Of the record under way.
  FetchJob fetch_{*this};
  UndeleteResult result_;
  io::Completion<UndeleteResult>* done_ = nullptr;
};

}  // namespace poplar::storage
