// Files of blobs that no record names. A crash leaves some of its own run, since the last
// checkpoint, whose records never got into the log. Blocking.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "storage/env/env.h"
#include "storage/index/index.h"

namespace poplar::storage {

struct OrphanBlobs {
  struct File {
    uint32_t epoch = 0;
    std::string path;
  };
  std::vector<File> files;
  uint32_t greatest_epoch = 0;  // Of all folders, whatever is in them.
};

// Those of epochs from `first_epoch` on that `index`, which knows the whole log, does not name.
// Neither files nor the index of earlier epochs are looked at: it costs what of these runs' blobs
// is left, and nothing where none is. kDataLoss: the index is damaged there.
StatusOr<OrphanBlobs> FindOrphanBlobs(Env& env, const std::string& directory, Index& index,
                                      uint32_t first_epoch);

}  // namespace poplar::storage
