// The normaliser against its reference. The first byte says how: the framing, whether there is a
// prefix, and how the rest is cut.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/byte_buffer.h"
#include "core/base/check.h"
#include "core/proto/wire/normalizer.h"
#include "tests/unit/proto/wire/reference_normalizer.h"

namespace {

using poplar::base::ByteBuffer;
using poplar::wire::Normalizer;
using poplar::wire::ReferenceResult;

constexpr std::string_view kPrefix = "X: 1\r\n";

void CheckSame(const Normalizer& normalizer, std::string_view wire, const ReferenceResult& want) {
  POP_CHECK(wire == want.wire);
  POP_CHECK(normalizer.ended());
  POP_CHECK(normalizer.octets() == want.octets);
  POP_CHECK(normalizer.wire_bytes() == want.wire.size());
  POP_CHECK(normalizer.header_bytes() == want.header_bytes);
}

// Feeds all of `data`, or up to its end; returns how much was consumed.
size_t FeedInPieces(Normalizer& normalizer, std::string_view data, size_t piece, ByteBuffer& out) {
  size_t consumed = 0;
  while (consumed < data.size() && !normalizer.ended()) {
    const std::string_view next = data.substr(consumed, piece);
    const size_t before = out.size();
    const Normalizer::Progress progress = normalizer.Feed(next, out);
    POP_CHECK(progress.ended == normalizer.ended());
    POP_CHECK(progress.ended || progress.consumed == next.size());
    POP_CHECK(out.size() - before <= 2 * next.size() + poplar::wire::kFeedOverhangBytes);
    consumed += progress.consumed;
  }
  return consumed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  constexpr std::array<size_t, 8> kPieces = {1, 2, 3, 63, 64, 65, 200, 1 << 20};
  const bool by_length = (bytes[0] & 1) != 0;
  const std::string_view prefix = (bytes[0] & 2) != 0 ? kPrefix : std::string_view();
  const size_t piece = kPieces[(bytes[0] >> 2) & 7];
  const std::string_view data(reinterpret_cast<const char*>(bytes) + 1, size - 1);

  ByteBuffer out;
  Normalizer normalizer(by_length ? Normalizer::Framing::kByLength
                                  : Normalizer::Framing::kDotStuffed);
  if (!prefix.empty()) normalizer.Prefix(prefix, out);
  const size_t consumed = FeedInPieces(normalizer, data, piece, out);
  if (by_length) {
    normalizer.Finish(out);
    CheckSame(normalizer, out.view(),
              poplar::wire::ReferenceStore(std::string(prefix) + std::string(data)));
  } else {
    const std::optional<ReferenceResult> want = poplar::wire::ReferenceNormalize(prefix, data);
    POP_CHECK(want.has_value() == normalizer.ended());
    if (!want) return 0;
    POP_CHECK(consumed == want->consumed);
    CheckSame(normalizer, out.view(), *want);
  }

  // What is stored is DATA again, and stays as it is.
  ByteBuffer again;
  Normalizer second(Normalizer::Framing::kDotStuffed);
  POP_CHECK(FeedInPieces(second, out.view(), piece, again) == out.size());
  POP_CHECK(again.view() == out.view() && second.octets() == normalizer.octets());
  return 0;
}
