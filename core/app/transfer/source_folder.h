// The folder of a mailbox that is to be imported. Whoever imports it, often root, may read what its
// owner may not, and its owner may put into it what he likes: so nothing in it is read through a
// link, and nothing but files is read at all. Blocking; one thread.

#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/app/transfer/byte_source.h"
#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::app {

// Opens a file or a folder. Links are followed in what somebody named; not from the octet
// `found_from` of `path` on, which was found in folders. kInvalidArgument: there is a link.
StatusOr<base::UniqueFd> OpenNamed(const std::string& path, size_t found_from, int flags);

class SourceFolder {
 public:
  static StatusOr<SourceFolder> Open(const std::string& path,
                                     size_t found_from = std::string::npos);

  // Of a folder in it, "." for itself: all names but "." and "..".
  StatusOr<std::vector<std::string>> Names(const std::string& folder) const;
  // What stands there, which may be a link; nothing: nothing does.
  StatusOr<std::optional<struct stat>> Look(const std::string& name) const;
  // kInvalidArgument: it is a link, or no file.
  StatusOr<std::unique_ptr<ByteSource>> OpenFile(const std::string& name) const;
  // All of it; errors also as of poplar::app::ReadSmallFile.
  StatusOr<std::string> ReadSmallFile(const std::string& name, size_t bytes_max) const;

 private:
  SourceFolder(base::UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  base::UniqueFd fd_;
  std::string path_;
};

}  // namespace poplar::app
