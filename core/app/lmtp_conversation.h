// Commands and replies on a blocking LMTP connection. Private to lmtp_delivery.cc.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/app/lmtp_delivery.h"
#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::app {

struct LmtpReply {
  int code = 0;
  std::string text;  // Lines joined by a line feed, without their codes.

  bool positive() const { return code / 100 == 2 || code / 100 == 3; }
};

class LmtpConversation {
 public:
  static StatusOr<LmtpConversation> Connect(
      const std::variant<UnixSocketPath, tenant::ListenAddress>& server, uint32_t timeout_s);

  // Sends `line` with its CRLF and reads the reply.
  StatusOr<LmtpReply> Command(std::string_view line);
  Status Send(std::string_view bytes);
  StatusOr<LmtpReply> ReadReply();

 private:
  explicit LmtpConversation(base::UniqueFd fd) : fd_(std::move(fd)) {}
  StatusOr<std::string> ReadLine();

  base::UniqueFd fd_;
  std::string received_;  // And not yet used.
};

}  // namespace poplar::app
