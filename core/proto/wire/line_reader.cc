#include "core/proto/wire/line_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/secret.h"

namespace poplar::wire {
namespace {

std::string_view WithoutLineEnd(std::string_view line) {
  line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

LineReader::Result LineReader::Next(std::string_view& input, uint32_t line_bytes_max,
                                    std::string_view& line) {
  if (complete_) Release();
  if (input.empty()) return Result::kIncomplete;
  const size_t newline = input.find('\n');
  const bool ends = newline != std::string_view::npos;
  const std::string_view bytes = input.substr(0, ends ? newline + 1 : input.size());
  input.remove_prefix(bytes.size());
  // Without its end a line that fills the limit is too long already.
  if (dropping_ || bytes.size() + size_ + (ends ? 0 : 1) > line_bytes_max) {
    Release();
    dropping_ = !ends;
    return ends ? Result::kTooLong : Result::kIncomplete;
  }
  if (ends && size_ == 0) {
    line = WithoutLineEnd(bytes);
    return Result::kLine;
  }
  Keep(bytes, line_bytes_max);
  if (!ends) return Result::kIncomplete;
  complete_ = true;
  line = WithoutLineEnd({kept_.get(), size_});
  return Result::kLine;
}

void LineReader::WipeKept() {
  base::Wipe(kept_.get(), size_);
  kept_.reset();
  size_ = capacity_ = 0;
  complete_ = false;
}

void LineReader::Reset() {
  Release();
  dropping_ = false;
}

void LineReader::Keep(std::string_view bytes, uint32_t line_bytes_max) {
  constexpr uint32_t kFirstBytes = 64;
  const auto wanted = static_cast<uint32_t>(size_ + bytes.size());
  if (wanted > capacity_) {
    const uint32_t grown = std::min(std::max({kFirstBytes, wanted, capacity_ * 2}), line_bytes_max);
    auto memory = std::make_unique_for_overwrite<char[]>(grown);
    if (size_ > 0) {
      std::memcpy(memory.get(), kept_.get(), size_);
      base::Wipe(kept_.get(), size_);
    }
    kept_ = std::move(memory);
    capacity_ = grown;
  }
  std::memcpy(kept_.get() + size_, bytes.data(), bytes.size());
  size_ = wanted;
}

}  // namespace poplar::wire
