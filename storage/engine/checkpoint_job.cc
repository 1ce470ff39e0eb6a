#include "storage/engine/checkpoint_job.h"

#include <map>

#include "core/base/log.h"
#include "storage/blob/blob_writer.h"

namespace poplar::storage {

UnlinkedBlobs UnlinkBlobs(Env& env, const std::string& directory,
                          const std::vector<BlobId>& blobs) {
  UnlinkedBlobs unlinked;
  const auto leave = [&unlinked](const std::vector<BlobId>& left, const Status& why) {
    unlinked.left.insert(unlinked.left.end(), left.begin(), left.end());
    if (unlinked.why.ok()) unlinked.why = why;
  };
  std::map<std::string, std::vector<BlobId>> gone_from;
  for (const BlobId blob : blobs) {
    const Status gone = env.Unlink(directory + "/" + BlobName(blob));
    if (gone.ok() || gone.code() == StatusCode::kNotFound) {
      gone_from[directory + "/" + BlobEpochName(EpochOf(blob.value()))].push_back(blob);
    } else {
      leave({blob}, gone);
    }
  }
  for (const auto& [folder, gone] : gone_from) {
    const Status flushed = env.SyncDirectory(folder);
    if (!flushed.ok() && flushed.code() != StatusCode::kNotFound) leave(gone, flushed);
  }
  return unlinked;
}

void NameLeftBlobs(uint32_t partition, const UnlinkedBlobs& unlinked) {
  for (const BlobId blob : unlinked.left) {
    base::Log(
        base::LogLevel::kError, "store_blob_left",
        {{"partition", partition}, {"blob", BlobName(blob)}, {"why", unlinked.why.ToString()}});
  }
}

void CheckpointJob::Work() {
  status = UnlinkBlobs(*env, blob_directory, blobs).why;
  if (status.ok()) status = index->Write(checkpoint);
}

}  // namespace poplar::storage
