#include "core/proto/lmtp/message_intake.h"

#include <algorithm>

#include "core/base/check.h"

namespace poplar::lmtp {
namespace {

constexpr size_t kTakeBytesMax = 16 * kKiB;
constexpr size_t kTraceBytesMax = 4 * kKiB;
static_assert(2 * kTakeBytesMax + 2 * wire::kFeedOverhangBytes + 2 * kTraceBytesMax <=
              kPieceBytesMax);

}  // namespace

MessageIntake::MessageIntake(Framing framing, std::string_view trace, uint64_t octets_max)
    : framing_(framing), octets_max_(octets_max), normalizer_(framing) {
  POP_CHECK(trace.size() <= kTraceBytesMax);
  normalizer_.Prefix(trace, piece_);
  trace_octets_ = normalizer_.octets();
}

void MessageIntake::StartChunk(uint64_t octets, bool last) {
  POP_CHECK(framing_ == Framing::kByLength && chunk_left_ == 0 && !normalizer_.ended());
  chunk_left_ = octets;
  chunk_is_last_ = last;
}

void MessageIntake::Take(std::string_view& input) {
  if (!fresh_) piece_.Clear();
  fresh_ = false;
  const size_t before = input.size();
  if (framing_ == Framing::kDotStuffed) {
    TakeDotStuffed(input);
  } else {
    TakeChunk(input);
  }
  if (over_limit()) Discard();
  if (discarding_) discarded_bytes_ += before - input.size();
}

void MessageIntake::TakeDotStuffed(std::string_view& input) {
  input.remove_prefix(normalizer_.Feed(input.substr(0, kTakeBytesMax), piece_).consumed);
}

void MessageIntake::TakeChunk(std::string_view& input) {
  const std::string_view bytes = input.substr(0, std::min<uint64_t>(kTakeBytesMax, chunk_left_));
  normalizer_.Feed(bytes, piece_);
  input.remove_prefix(bytes.size());
  chunk_left_ -= bytes.size();
  if (chunk_left_ == 0 && chunk_is_last_) normalizer_.Finish(piece_);
}

bool MessageIntake::done() const {
  if (framing_ == Framing::kDotStuffed) return normalizer_.ended();
  return chunk_left_ == 0 && (!chunk_is_last_ || normalizer_.ended());
}

bool MessageIntake::over_limit() const {
  return normalizer_.octets() - trace_octets_ > octets_max_;
}

MessageSizes MessageIntake::sizes() const {
  return {normalizer_.octets(), normalizer_.wire_bytes(), normalizer_.header_bytes()};
}

}  // namespace poplar::lmtp
