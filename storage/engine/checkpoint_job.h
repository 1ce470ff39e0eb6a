// A partition's work for the disk pool beside loading lists: checkpoints, and unlinking the blobs
// of deleted messages. Fields of the partition; one of each at a time.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/io/offload_pool.h"
#include "storage/env/env.h"
#include "storage/index/index.h"

namespace poplar::storage {

struct UnlinkedBlobs {
  std::vector<BlobId> left;  // What did not go.
  Status why;                // Of the first of them.
};

// Unlinks blobs under `directory`, durably; those that are gone already are fine, and one that does
// not go keeps no other.
UnlinkedBlobs UnlinkBlobs(Env& env, const std::string& directory, const std::vector<BlobId>& blobs);

// Names blobs that nobody tries to unlink any more: they cost their space, and nothing else.
void NameLeftBlobs(uint32_t partition, const UnlinkedBlobs& unlinked);

class CheckpointJob final : public io::OffloadJob {
 public:
  using Handler = void (*)(void* owner);
  CheckpointJob(void* owner, Handler handler) : owner_(owner), handler_(handler) {}

  Env* env = nullptr;
  Index* index = nullptr;
  std::string blob_directory;
  // Blobs that only records before the checkpoint name: they go first, as nobody would look for
  // them after it.
  std::vector<BlobId> blobs;
  Checkpoint checkpoint;
  Status status;

 private:
  void Work() override;
  void Done() override { handler_(owner_); }

  void* const owner_;
  const Handler handler_;
};

class UnlinkJob final : public io::OffloadJob {
 public:
  using Handler = void (*)(void* owner);
  UnlinkJob(void* owner, Handler handler) : owner_(owner), handler_(handler) {}

  Env* env = nullptr;
  std::string blob_directory;
  std::vector<BlobId> blobs;
  UnlinkedBlobs unlinked;

 private:
  void Work() override { unlinked = UnlinkBlobs(*env, blob_directory, blobs); }
  void Done() override { handler_(owner_); }

  void* const owner_;
  const Handler handler_;
};

}  // namespace poplar::storage
