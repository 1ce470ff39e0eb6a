// An index as its last checkpoint left it, copied to another folder while it goes on. Any thread;
// blocking.

#pragma once

#include <atomic>
#include <memory>

#include "core/base/status.h"
#include "storage/index/index.h"

namespace poplar::storage {

class IndexCopy {
 public:
  // From here on it is known what will be copied. Cheap. `index` outlives the copy; while the copy
  // lives, the index's file grows instead of using freed pages again.
  static StatusOr<std::unique_ptr<IndexCopy>> Begin(Index& index);

  // Writes it, flushed, into a folder that is there and empty; the folder itself is the caller's to
  // flush. kCancelled: `cancel` became true. kUnavailable: among others, the index failed meanwhile
  // and must be opened again.
  Status WriteTo(const IndexOptions& target, const std::atomic<bool>& cancel) const;

 private:
  explicit IndexCopy(IndexTransaction from) : from_(std::move(from)) {}

  const IndexTransaction from_;
};

}  // namespace poplar::storage
