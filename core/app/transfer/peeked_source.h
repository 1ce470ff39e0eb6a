// A mail's bytes, of which the first were looked at before. Blocking; one thread.

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/app/transfer/byte_source.h"

namespace poplar::app {

// Up to so many octets from where the source stands.
StatusOr<std::string> ReadBegin(ByteSource& source, size_t bytes_max);

class PeekedSource final : public ByteSource {
 public:
  // `begin` is what was read of `source`.
  PeekedSource(std::unique_ptr<ByteSource> source, std::string begin)
      : source_(std::move(source)), begin_(std::move(begin)) {}

  StatusOr<size_t> Read(std::span<char> into) override;

 private:
  const std::unique_ptr<ByteSource> source_;
  const std::string begin_;
  size_t taken_ = 0;  // Of `begin_`.
};

}  // namespace poplar::app
