// The primitives of primitives.h, timed.

#include <benchmark/benchmark.h>

#include "bench/micro/primitives.h"

namespace poplar::micro {
namespace {

bool Register(std::span<const NamedPrimitive> primitives) {
  for (const NamedPrimitive& primitive : primitives) {
    benchmark::RegisterBenchmark(std::string(primitive.name).c_str(), [&primitive](auto& state) {
      const std::unique_ptr<Primitive> made = primitive.make();
      for (auto _ : state) made->Run(1);
    });
  }
  return true;
}

const bool kRegistered = Register(ProtocolPrimitives()) && Register(StorePrimitives());

}  // namespace
}  // namespace poplar::micro
