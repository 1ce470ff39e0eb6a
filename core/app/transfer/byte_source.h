// The bytes of one mail, read from its start to its end. Blocking; one thread.

#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "core/base/status.h"

namespace poplar::app {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Up to the size of `into`; 0 at the end. REQUIRES: `into` is not empty.
  virtual StatusOr<size_t> Read(std::span<char> into) = 0;
};

// A file as it is. Errors name it.
StatusOr<std::unique_ptr<ByteSource>> OpenFileSource(const std::string& path);

// A whole file of at most `bytes_max`. kResourceExhausted: it is larger.
StatusOr<std::string> ReadSmallFile(const std::string& path, size_t bytes_max);

}  // namespace poplar::app
