// poplar-counted: runs one primitive so many times, for callgrind to count; without arguments it
// names them. What a run costs beside the primitive is taken off by comparing two of them.

#include <charconv>
#include <cstdio>
#include <string_view>

#include "bench/micro/primitives.h"

namespace {

using poplar::micro::NamedPrimitive;

constexpr int kUsageFault = 2;

const NamedPrimitive* Find(std::string_view name) {
  for (const auto primitives :
       {poplar::micro::ProtocolPrimitives(), poplar::micro::StorePrimitives()}) {
    for (const NamedPrimitive& primitive : primitives) {
      if (name.empty()) std::printf("%.*s\n", int(primitive.name.size()), primitive.name.data());
      if (primitive.name == name) return &primitive;
    }
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) {
    Find("");
    return 0;
  }
  const NamedPrimitive* const primitive = Find(argv[1]);
  const std::string_view text = argc == 3 ? argv[2] : "";
  uint64_t times = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), times);
  if (primitive == nullptr || error != std::errc() || end != text.data() + text.size()) {
    std::fputs("Usage: poplar-counted [NAME TIMES]\n", stderr);
    return kUsageFault;
  }
  primitive->make()->Run(times);
  return 0;
}
