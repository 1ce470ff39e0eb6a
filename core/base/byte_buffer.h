// A growable run of bytes: replies are appended, then sent from its front. It keeps no zero-filled
// tail and gives its memory back when told, so that an idle connection costs none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace poplar::base {

class ByteBuffer {
 public:
  ByteBuffer() = default;
  ByteBuffer(ByteBuffer&&) noexcept;
  ByteBuffer& operator=(ByteBuffer&&) noexcept;

  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  std::string_view view() const { return {bytes_.get() + begin_, size()}; }

  void Append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(Tail(bytes.size()).data(), bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  void Append(char byte) { Append(std::string_view(&byte, 1)); }
  void AppendNumber(uint64_t number);

  // Room for at least `bytes` behind the content; write there, then tell how much with Extend. Ends
  // with the next call.
  std::span<char> Tail(size_t bytes) {
    if (capacity_ - end_ < bytes) Grow(bytes);
    return {bytes_.get() + end_, capacity_ - end_};
  }
  // REQUIRES: no more than the last Tail had.
  void Extend(size_t bytes);
  // Cuts the content to its first `bytes`. REQUIRES: bytes <= size().
  void Truncate(size_t bytes);
  // Drops `bytes` at the front. REQUIRES: bytes <= size().
  void Consume(size_t bytes);
  void Clear() { begin_ = end_ = 0; }
  // Clears and frees the memory.
  void Release();
  size_t capacity() const { return capacity_; }

 private:
  void Grow(size_t bytes);

  std::unique_ptr<char[]> bytes_;
  // Invariant: begin_ <= end_ <= capacity_; begin_ is 0 when empty.
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace poplar::base
