// An open maildrop and its bodies: a lease or none, a list that does not change, and files to read
// from. Lives on the shard that opened it.

#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/io/offload_pool.h"
#include "storage/engine/shard_store.h"

namespace poplar::storage {

class EmbeddedMaildrop final : public Maildrop {
 public:
  EmbeddedMaildrop(EmbeddedShardStore& home, std::unique_ptr<OpenGrant> grant);
  ~EmbeddedMaildrop() override;

  uint32_t count() const override { return grant_->list->count(); }
  uint64_t octets() const override { return grant_->list->octets(); }
  MessageInfo Info(MessagePosition position) const override;
  void CopyOctets(MessagePosition first, std::span<uint64_t> into) const override;
  void CopyUidls(MessagePosition first, std::span<UidlText> into) const override;
  std::vector<MessagePosition> ReceivedSince(int64_t since_us) const override;
  std::unique_ptr<io::Body> OpenBody(MessagePosition position) override;
  bool lease_lost() const override { return grant_->lease->lost.load(std::memory_order_relaxed); }
  bool wants_fetched() const override { return grant_->wants_fetched; }
  void Commit(std::vector<MessagePosition> deleted, std::vector<MessagePosition> fetched,
              io::Completion<CommitOutcome>& done) override;

 private:
  std::vector<MessageId> IdsOf(std::vector<MessagePosition> positions) const;

  EmbeddedShardStore& home_;
  std::shared_ptr<const OpenGrant> grant_;
  bool committed_ = false;
  mutable uint32_t hint_ = 0;
  mutable UidlText uidl_;
};

// A message's bytes: in a segment, behind its record's head, or in a blob.
class StoredBody final : public io::Body, private io::OffloadJob {
 public:
  StoredBody(EmbeddedShardStore& home, std::shared_ptr<const OpenGrant> grant,
             const MessageEntry& entry);

  uint64_t wire_bytes() const override { return entry_.wire_bytes; }
  void Verify(io::Completion<Status>& done) override;
  void VerifyAll(io::Completion<Status>& done) override;
  bool TryReadAll(std::span<char> into) override;
  void Read(uint64_t at, std::span<char> into, io::Completion<StatusOr<size_t>>& done) override;
  std::optional<io::FileRange> AsFileRange() const override;

 private:
  bool in_blob() const { return (entry_.flags & kEntryInBlob) != 0; }
  const File* data_file() const { return in_blob() ? blob_.get() : segment_.get(); }
  uint64_t data_offset() const { return in_blob() ? 0 : entry_.lsn.offset() + head_bytes_; }

  // Does the next of: open the segment, check the head, open the blob, read all; then answers.
  void Advance();
  void Answer(const Status& status);
  void OpenFile(std::string path);
  void SubmitWork();
  void Work() override;
  void Done() override;
  // Of a blob that was opened.
  void CheckLength();
  // Blocking.
  Status CheckOctets() const;
  void StartHeadRead();
  void OnHeadRead(int32_t result);
  void StartRead();
  void OnRead(int32_t result);
  void AnswerRead(StatusOr<size_t> result);
  // Whether its segment ends before it does. A blob's length is known when it is opened.
  bool EndsEarly() const;
  // What is wrong with the head that was read, or null.
  const char* HeadFault(size_t got);
  // The same, and names it.
  Status CheckHead(size_t got);
  // Whether all of a body that stands in its segment is what was delivered.
  bool IsSound(std::span<const char> body) const;
  // Counted and named: whose message, and where.
  Status Damaged(std::string_view what) const;

  EmbeddedShardStore& home_;
  const std::shared_ptr<const OpenGrant> grant_;
  const MessageEntry entry_;
  const uint32_t head_bytes_;
  std::shared_ptr<const File> segment_;
  std::unique_ptr<File> blob_;
  bool head_sound_ = false;
  bool body_unsound_ = false;
  bool all_due_ = false;
  uint64_t body_checksum_ = 0;  // Once the head is sound.
  size_t head_got_ = 0;

  io::Completion<Status>* verify_done_ = nullptr;
  io::Completion<StatusOr<size_t>>* read_done_ = nullptr;
  uint64_t read_at_ = 0;
  std::span<char> read_into_;
  size_t read_got_ = 0;

  std::string path_;
  StatusOr<std::unique_ptr<File>> opened_ = std::unique_ptr<File>();
  Status octets_;  // What CheckOctets said.
  DiskOpFor<&StoredBody::OnHeadRead> head_op_{this};
  DiskOpFor<&StoredBody::OnRead> read_op_{this};
  std::array<char, kRecordHeadBytesMax> head_;
};

}  // namespace poplar::storage
