#include "storage/engine/checkpoint_job.h"

#include <set>

#include "storage/blob/blob_writer.h"

namespace poplar::storage {

Status UnlinkBlobs(Env& env, const std::string& directory, const std::vector<BlobId>& blobs) {
  std::set<std::string> folders;
  for (const BlobId blob : blobs) {
    const Status gone = env.Unlink(directory + "/" + BlobName(blob));
    if (!gone.ok() && gone.code() != StatusCode::kNotFound) return gone;
    folders.insert(directory + "/" + BlobEpochName(EpochOf(blob.value())));
  }
  for (const std::string& folder : folders) {
    const Status flushed = env.SyncDirectory(folder);
    if (!flushed.ok() && flushed.code() != StatusCode::kNotFound) return flushed;
  }
  return OkStatus();
}

void CheckpointJob::Work() {
  status = UnlinkBlobs(*env, blob_directory, blobs);
  if (status.ok()) status = index->Write(checkpoint);
}

}  // namespace poplar::storage
