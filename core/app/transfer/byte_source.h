// The bytes of one mail, read from its start to its end. Blocking; one thread.

#pragma once

#include <fcntl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::app {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Up to the size of `into`; 0 at the end. REQUIRES: `into` is not empty.
  virtual StatusOr<size_t> Read(std::span<char> into) = 0;
};

// What is opened to be read so may turn out to be no file: that must not wait for anybody.
inline constexpr int kFileSourceFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

// A file as it is; a link is followed. Errors name it. kInvalidArgument: it is no file.
StatusOr<std::unique_ptr<ByteSource>> OpenFileSource(const std::string& path);
// The same of one that is open.
StatusOr<std::unique_ptr<ByteSource>> MakeFileSource(base::UniqueFd fd, std::string path);

// The whole of it, at most `bytes_max`. kResourceExhausted: it is larger.
StatusOr<std::string> ReadAll(ByteSource& source, size_t bytes_max, const std::string& name);
// What somebody named, a pipe perhaps.
StatusOr<std::string> ReadSmallFile(const std::string& path, size_t bytes_max);

}  // namespace poplar::app
