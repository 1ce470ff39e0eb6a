// A body that is too large for the log, or for the memory left for arriving ones, streams into a
// file of its own (FORMAT.md section 6): opened, written piece by piece, and published under a name
// for each recipient.
//
// Lives on one shard; a field or an owned object of its owner, who outlives what is under way. One
// operation at a time; each ends with one call of the handler.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/offload_pool.h"
#include "storage/env/disk_room.h"
#include "storage/env/env.h"
#include "storage/format/checksum.h"
#include "storage/format/ids.h"

namespace poplar::storage {

// "EEEEEEEE/NNNNNNNN.blob", under a partition's folder of blobs.
std::string BlobName(BlobId id);
std::string BlobEpochName(uint32_t epoch);

// One recipient's name for a body.
struct BlobLink {
  std::string directory;  // Where the name is; flushed.
  std::string path;
  Status status;  // After Publish.
};

class BlobWriter final : private io::OffloadJob {
 public:
  using Handler = void (*)(void* owner, const Status& status);
  // The writer may be used again or destroyed from here on.
  using AbandonHandler = void (*)(void* owner, BlobWriter& writer);

  struct Options {
    Env* env = nullptr;
    std::string path;               // Under incoming/.
    DiskRoom* room = nullptr;       // Outlives the writer.
    uint64_t free_bytes_floor = 0;  // Leave so much of the disk free; 0: it is not looked at.
    uint64_t expected_bytes = 0;    // Room for more is asked for as it comes.
    uint64_t pool_key = 0;
  };

  BlobWriter(io::Reactor& reactor, io::OffloadPool& pool) : reactor_(reactor), pool_(pool) {}

  // Makes the file. kResourceExhausted: no room.
  void Open(Options options, void* owner, Handler handler);
  // Appends all of `bytes`, which stay until the end. kResourceExhausted: no room, for more than
  // was expected. REQUIRES: open.
  void Write(std::string_view bytes);
  // Flushes, links, flushes the directories, and gives the arriving name and the file back. Each
  // link has its own status; the handler's is that of the flush.
  void Publish(std::vector<BlobLink> links);
  // Gives everything back; nothing stays. With nothing to give back the handler runs at once.
  void Abandon(void* owner, AbandonHandler handler);

  uint64_t checksum() const { return checksum_->Digest(); }
  uint64_t written_bytes() const { return written_; }
  const std::vector<BlobLink>& links() const { return links_; }

 private:
  enum class Step : uint8_t { kOpen, kGrant, kPublish, kAbandon };

  void Submit(Step step);
  void Work() override;
  void Done() override;
  void Answer(const Status& status) { handler_(owner_, status); }
  Status OpenNow();
  Status GrantNow(uint64_t bytes);
  void GiveBackGrant();
  Status PublishNow();
  void WriteOn();
  void OnWritten(int32_t result);

  io::Reactor& reactor_;
  io::OffloadPool& pool_;
  Options options_;
  void* owner_ = nullptr;
  Handler handler_ = nullptr;
  AbandonHandler abandon_handler_ = nullptr;
  Step step_ = Step::kOpen;
  Status status_;
  std::unique_ptr<File> file_;
  std::unique_ptr<StreamingChecksum> checksum_;
  std::vector<BlobLink> links_;
  std::string_view left_;
  iovec piece_{};
  uint64_t written_ = 0;
  uint64_t granted_ = 0;  // Of the disk, and not yet written.
  DiskOpFor<&BlobWriter::OnWritten> write_op_{this};
};

}  // namespace poplar::storage
