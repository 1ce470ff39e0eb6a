#include "core/net/stream_end.h"

namespace poplar::net {

std::string_view StreamEndName(StreamEnd end) {
  switch (end) {
    case StreamEnd::kNone:
      return "none";
    case StreamEnd::kPeerClosed:
      return "peer_closed";
    case StreamEnd::kPeerReset:
      return "peer_reset";
    case StreamEnd::kPeerLost:
      return "peer_lost";
    case StreamEnd::kIdle:
      return "idle";
    case StreamEnd::kInterrupted:
      return "interrupted";
    case StreamEnd::kAborted:
      return "aborted";
    case StreamEnd::kTlsFailed:
      return "tls_failed";
    case StreamEnd::kTlsKeyUpdate:
      return "tls_key_update";
    case StreamEnd::kBodyFailed:
      return "body_failed";
  }
  return "unknown";
}

}  // namespace poplar::net
