// Hot primitives, each ready to be run many times: Google Benchmark times them (poplar_micro), and
// callgrind counts their instructions (bench/instructions), which a busy machine does not change.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace poplar::micro {

class Primitive {
 public:
  virtual ~Primitive() = default;
  virtual void Run(uint64_t times) = 0;
};

struct NamedPrimitive {
  std::string_view name;
  std::unique_ptr<Primitive> (*make)();
};

template <class P>
std::unique_ptr<Primitive> Make() {
  return std::make_unique<P>();
}

// Command lines, listings, message bytes: primitives_protocol.cc.
std::span<const NamedPrimitive> ProtocolPrimitives();
// Records, chunks of the index, metric cells: primitives_store.cc.
std::span<const NamedPrimitive> StorePrimitives();

// Keeps the compiler from leaving out what nobody reads.
template <class T>
inline void Use(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace poplar::micro
