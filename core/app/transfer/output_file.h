// A file that is written from its start. Blocking; one thread.

#pragma once

#include <string>
#include <string_view>
#include <utility>

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

// A file system that is made durable as a whole. One thread.
class FileSystemSync {
 public:
  FileSystemSync() = default;
  // That of `path`.
  static StatusOr<FileSystemSync> Open(const std::string& path);

  // What was written to it so far; an error also of what the kernel could not write since Open.
  Status Sync() const;

 private:
  FileSystemSync(base::UniqueFd fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  base::UniqueFd fd_;
  std::string path_;
};

}  // namespace poplar::app
