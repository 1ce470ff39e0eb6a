// XCLIENT as Dovecot's POP3 proxies say it: for which client somebody in front speaks. Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/ip.h"

namespace poplar::pop3 {

struct Xclient {
  std::optional<base::IpAddress> address;  // None: not told.
  uint16_t port = 0;                       // 0: not told.
};

// Reads "ADDR=192.0.2.1 PORT=40312 SESSION=… TTL=…", in any order; what is neither ADDR nor PORT is
// passed over. Nothing: one of these cannot be read.
std::optional<Xclient> ParseXclient(std::string_view rest);

}  // namespace poplar::pop3
