// Strong numbers: two ids of different kinds do not convert into each other, so swapped arguments
// do not compile.
//
//   using TenantId = Strong<struct TenantIdTag, uint64_t>;

#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace poplar {

template <class Tag, class Number>
class Strong {
 public:
  using Value = Number;

  constexpr Strong() = default;
  constexpr explicit Strong(Number value) : value_(value) {}

  constexpr Number value() const { return value_; }
  friend constexpr auto operator<=>(Strong, Strong) = default;

 private:
  Number value_{};
};

}  // namespace poplar

template <class Tag, class Number>
struct std::hash<poplar::Strong<Tag, Number>> {
  size_t operator()(poplar::Strong<Tag, Number> id) const noexcept {
    return std::hash<Number>()(id.value());
  }
};
