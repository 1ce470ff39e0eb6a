#include "core/app/transfer/peeked_source.h"

#include <algorithm>

namespace poplar::app {

StatusOr<std::string> ReadBegin(ByteSource& source, size_t bytes_max) {
  std::string text(bytes_max, '\0');
  size_t length = 0;
  while (length < text.size()) {
    POP_ASSIGN_OR_RETURN(const size_t got, source.Read(std::span(text).subspan(length)));
    if (got == 0) break;
    length += got;
  }
  text.resize(length);
  return text;
}

StatusOr<size_t> PeekedSource::Read(std::span<char> into) {
  if (taken_ == begin_.size()) return source_->Read(into);
  const size_t bytes = std::min(begin_.size() - taken_, into.size());
  std::copy_n(begin_.begin() + static_cast<ptrdiff_t>(taken_), bytes, into.begin());
  taken_ += bytes;
  return bytes;
}

}  // namespace poplar::app
