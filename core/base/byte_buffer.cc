#include "core/base/byte_buffer.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace poplar::base {
namespace {

constexpr size_t kFirstBytes = 512;

}  // namespace

ByteBuffer::ByteBuffer(ByteBuffer&& other) noexcept
    : bytes_(std::move(other.bytes_)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

ByteBuffer& ByteBuffer::operator=(ByteBuffer&& other) noexcept {
  if (this != &other) {
    bytes_ = std::move(other.bytes_);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

void ByteBuffer::AppendNumber(uint64_t number) {
  constexpr size_t kDigitsMax = 20;
  const std::span<char> tail = Tail(kDigitsMax);
  const auto result = std::to_chars(tail.data(), tail.data() + kDigitsMax, number);
  end_ += static_cast<size_t>(result.ptr - tail.data());
}

void ByteBuffer::Extend(size_t bytes) {
  POP_CHECK(bytes <= capacity_ - end_);
  end_ += bytes;
}

void ByteBuffer::Truncate(size_t bytes) {
  POP_CHECK(bytes <= size());
  end_ = begin_ + bytes;
}

void ByteBuffer::Consume(size_t bytes) {
  POP_CHECK(bytes <= size());
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

void ByteBuffer::Release() {
  bytes_.reset();
  begin_ = end_ = capacity_ = 0;
}

void ByteBuffer::Grow(size_t bytes) {
  const size_t used = size();
  if (begin_ > 0 && capacity_ - used >= bytes &&
      begin_ >= used) {  // Half is free: move, do not grow.
    std::memmove(bytes_.get(), bytes_.get() + begin_, used);
  } else {
    const size_t wanted = std::max({kFirstBytes, used + bytes, capacity_ * 2});
    auto grown = std::make_unique_for_overwrite<char[]>(wanted);
    if (used > 0) std::memcpy(grown.get(), bytes_.get() + begin_, used);
    bytes_ = std::move(grown);
    capacity_ = wanted;
  }
  begin_ = 0;
  end_ = used;
}

}  // namespace poplar::base
