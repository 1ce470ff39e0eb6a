// Text that may hold passwords: wherever a piece of it was on the heap, it is wiped.

#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

namespace poplar::plugins {

template <typename Value>
struct WipingAllocator {
  using value_type = Value;

  WipingAllocator() = default;
  template <typename Other>
  explicit(false) WipingAllocator(const WipingAllocator<Other>& /*other*/) {}

  Value* allocate(size_t n) { return std::allocator<Value>().allocate(n); }
  void deallocate(Value* values, size_t n) {
    ::explicit_bzero(static_cast<void*>(values), n * sizeof(Value));
    std::allocator<Value>().deallocate(values, n);
  }
  template <typename Other>
  bool operator==(const WipingAllocator<Other>& /*other*/) const {
    return true;
  }
};

using SecretText = std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;

}  // namespace poplar::plugins
