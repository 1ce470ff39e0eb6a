// How full the disks are that the server writes to, asked of the kernel when somebody reads the
// metrics.

#pragma once

#include <string>
#include <vector>

#include "core/base/metrics.h"

namespace poplar::ops {

struct WatchedDisk {
  std::string of;    // What stands on it: "store".
  std::string path;  // A folder or file there.
};

// Adds poplar_disk_*. A path that cannot be asked about has no values.
void RegisterDiskMetrics(base::MetricRegistry& registry, std::vector<WatchedDisk> disks);

}  // namespace poplar::ops
