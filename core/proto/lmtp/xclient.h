// XCLIENT (Postfix's XCLIENT_README): for which client an MTA or a proxy in front speaks. Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/ip.h"

namespace poplar::lmtp {

// What LHLO announces; what stands there and not below is checked and passed over.
inline constexpr std::string_view kXclientAttributes =
    "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";

// Attributes that were not told have no value; those that the client's server does not know
// itself ([UNAVAILABLE], [TEMPUNAVAIL]) are empty, or 0.
struct Xclient {
  std::optional<std::string> name;  // Of the host, as DNS has it.
  bool tells_address = false;
  std::optional<base::IpAddress> address;  // None: not known.
  std::optional<uint16_t> port;
  std::optional<std::string> helo;  // Empty also where a client said what is no name.
  std::optional<std::string> login;
};

// Reads "NAME=xtext ADDR=xtext …". The reply that refuses it, or nothing.
std::string_view ParseXclient(std::string_view rest, Xclient& told);

}  // namespace poplar::lmtp
