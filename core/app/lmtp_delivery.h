// One message handed to an LMTP server (RFC 2033). Blocking; any thread. The message is streamed:
// memory stays small whatever its size.

#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <variant>
#include <vector>

#include "core/base/status.h"
#include "core/tenant/listen_address.h"

namespace poplar::app {

struct UnixSocketPath {
  std::string path;
};

struct LmtpDelivery {
  std::variant<UnixSocketPath, tenant::ListenAddress> server;
  std::string from;  // Empty: the null sender, as bounces have it.
  std::vector<std::string> recipients;
  std::istream& message;  // A first line "From …", as in an mbox, is left out.
  // RFC 5321 §4.5.3.2.6: a server may take its time after the last dot.
  uint32_t timeout_s = 600;
};

struct RecipientResult {
  std::string recipient;
  int code = 0;      // 250: delivered.
  std::string text;  // What the server said, with its enhanced code.

  bool delivered() const { return code / 100 == 2; }
};

// One result for each recipient, in order. An error means that nothing was delivered as far as one
// can know: kFailedPrecondition if nobody listens, kUnavailable or kDeadlineExceeded if the
// conversation broke, kDataLoss if the message could not be read to its end.
StatusOr<std::vector<RecipientResult>> DeliverByLmtp(const LmtpDelivery& delivery);

}  // namespace poplar::app
