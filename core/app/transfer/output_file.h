// A file that is written from its start. Blocking; one thread.

#pragma once

#include <string>
#include <string_view>

#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::app {

class OutputFile {
 public:
  // Mode 0600. A file that stands there is written over.
  static StatusOr<OutputFile> Create(const std::string& path);

  Status Write(std::string_view bytes);
  // Cuts off what was written behind `bytes`.
  Status Truncate(uint64_t bytes);
  Status SetModified(int64_t modified_us);
  Status Sync();
  uint64_t bytes() const { return bytes_; }

 private:
  OutputFile(base::UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Status Failed() const;

  base::UniqueFd fd_;
  std::string path_;
  uint64_t bytes_ = 0;
};

// Makes what was written to the file system of `path` durable.
Status SyncFileSystemOf(const std::string& path);

}  // namespace poplar::app
