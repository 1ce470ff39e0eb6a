// Mail addresses as LMTP's MAIL and RCPT carry them (RFC 5321 §4.1.2, RFC 6531 §3.3), and host
// names as LHLO does. Pure functions.
//
// What passes here is safe in a header, a log and a reply: no control bytes, no line ends, UTF-8
// well-formed. Where real mail is laxer than the RFC, so is this: dots may stand anywhere in a
// local part (`a..b@`, `a.@` exist), underscores in domains, and there is no limit of 64 octets for
// the local part alone.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/ip.h"

namespace poplar::lmtp {

struct Path {
  // `local@domain`, unescaped; the local part is in quotes only where it would be ambiguous
  // without. Empty for the null path `<>`; without `@` if the path had no domain. Case as it came.
  std::string address;
  // What stood between the angle brackets, source route included.
  std::string original;
  bool has_domain = false;
  bool is_ascii = true;

  bool is_null() const { return address.empty(); }
};

enum class PathResult : uint8_t {
  kOk,
  kSyntax,
  kTooLong,  // More than kAddressBytesMax.
};

// Reads a path, from `<` to `>`, off the front of `text`. A source route (`<@a,@b:c@d>`) is
// checked and dropped (RFC 5321 §4.1.1.3).
PathResult ParsePath(std::string_view& text, Path& path);

// Whether LHLO may name a client so: an ASCII domain or an address literal, 255 octets at most.
bool IsClientName(std::string_view name);

// An address as RFC 5321 §4.1.3 writes it: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
std::string AddressLiteral(const base::IpAddress& address);

struct Subaddress {
  std::string_view user;
  std::string_view detail;  // Behind the delimiter; empty without one.
};

// Splits a local part at the first `delimiter` (RFC 5233): `user+detail`. A local part that is
// quoted or begins with the delimiter is not split; delimiter 0 splits nothing.
Subaddress SplitSubaddress(std::string_view local, char delimiter);

// `user+detail@domain` without `+detail`; the address itself where SplitSubaddress splits nothing.
std::string WithoutDetail(std::string_view address, char delimiter);

}  // namespace poplar::lmtp
