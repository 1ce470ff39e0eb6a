// Why a wait on a stream came to its end.

#pragma once

#include <cstdint>
#include <string_view>

namespace poplar::net {

enum class StreamEnd : uint8_t {
  kNone,          // It did what was asked.
  kPeerClosed,    // The peer ended its side in order.
  kPeerReset,     // The connection broke.
  kPeerLost,      // The peer answers no more.
  kIdle,          // Nothing came for the idle timeout, or too little was taken in it.
  kInterrupted,   // Somebody asked (a kick, a drain): there may be a word to say about it.
  kAborted,       // Somebody cut it: nothing is sent or received any more.
  kTlsFailed,     // No handshake came about, or what came cannot be deciphered.
  kTlsKeyUpdate,  // The peer wants a new key that the kernel cannot take.
  kBodyFailed,    // The body was damaged or gone midway.
};

// For logs: "peer_closed".
std::string_view StreamEndName(StreamEnd end);

}  // namespace poplar::net
