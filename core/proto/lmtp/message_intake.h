// The content of one message on its way in, from DATA or from BDAT chunks, in bounded pieces of
// stored form. It knows nothing of commands, replies or storage.
//
// Lives in a Session between the begin of a message and its end. What arrives beyond the limit, or
// after Discard, is consumed up to the message's end and dropped.

#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/byte_buffer.h"
#include "core/base/units.h"
#include "core/proto/wire/normalizer.h"

namespace poplar::lmtp {

// No piece is longer.
inline constexpr size_t kPieceBytesMax = 64 * kKiB;

struct MessageSizes {
  uint64_t octets = 0;
  uint64_t wire_bytes = 0;
  uint64_t header_bytes = 0;
};

class MessageIntake {
 public:
  using Framing = wire::Normalizer::Framing;

  // `trace` is put in front and does not count towards `octets_max`, which is about what the client
  // sends.
  MessageIntake(Framing framing, std::string_view trace, uint64_t octets_max);

  // What comes next are `octets` of content; with `last`, the message ends behind them.
  // REQUIRES: framing kByLength; the chunk before is done.
  void StartChunk(uint64_t octets, bool last);

  // Takes content off the front of `input`: the more of it, the better, up to what makes one
  // piece. The piece before ends.
  void Take(std::string_view& input);

  Framing framing() const { return framing_; }
  // Whether Take needs input to get anywhere; only a chunk of no octets does not.
  bool needs_input() const { return framing_ == Framing::kDotStuffed || chunk_left_ > 0; }

  // What Take made of it; empty if nothing, or if it is not to be stored. The last one holds the
  // terminator.
  std::string_view piece() const { return discarding_ ? std::string_view() : piece_.view(); }

  // The message, or the chunk, is complete: what follows in the input is a command.
  bool done() const;

  // Stores no more.
  void Discard() { discarding_ = true; }
  bool over_limit() const;
  uint64_t discarded_bytes() const { return discarded_bytes_; }

  // REQUIRES: the message is complete.
  MessageSizes sizes() const;

 private:
  void TakeDotStuffed(std::string_view& input);
  void TakeChunk(std::string_view& input);

  const Framing framing_;
  const uint64_t octets_max_;
  wire::Normalizer normalizer_;
  base::ByteBuffer piece_;
  uint64_t trace_octets_ = 0;
  uint64_t chunk_left_ = 0;
  uint64_t discarded_bytes_ = 0;
  bool chunk_is_last_ = false;
  bool fresh_ = true;  // The trace header waits in `piece_` for the first Take.
  bool discarding_ = false;
};

}  // namespace poplar::lmtp
