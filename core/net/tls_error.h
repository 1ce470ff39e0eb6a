// OpenSSL's error queue of this thread, as text.

#pragma once

#include <string>

namespace poplar::net {

// The newest reason, "unknown error" if there is none. Empties the queue.
std::string TakeTlsError();

}  // namespace poplar::net
