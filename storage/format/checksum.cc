#include "storage/format/checksum.h"

#define XXH_STATIC_LINKING_ONLY  // For a state that is a member; the functions stay in the library.
#include <xxhash.h>

namespace poplar::storage {

uint64_t Checksum(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct StreamingChecksum::State {
  XXH3_state_t xxh3;
};

StreamingChecksum::StreamingChecksum() : state_(std::make_unique<State>()) {
  XXH3_64bits_reset(&state_->xxh3);
}
StreamingChecksum::~StreamingChecksum() = default;

void StreamingChecksum::Update(std::string_view bytes) {
  XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

uint64_t StreamingChecksum::Digest() const { return XXH3_64bits_digest(&state_->xxh3); }

}  // namespace poplar::storage
