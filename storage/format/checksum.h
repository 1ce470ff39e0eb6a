// XXH3, 64 bits: what every structure of the store is checked with. Any thread.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace poplar::storage {

uint64_t Checksum(std::string_view bytes, uint64_t seed = 0);

// The same over bytes that come in pieces, with seed 0.
class StreamingChecksum {
 public:
  StreamingChecksum();
  ~StreamingChecksum();
  void Update(std::string_view bytes);
  uint64_t Digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace poplar::storage
