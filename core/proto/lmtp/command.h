// LMTP command lines (RFC 2033, RFC 5321 §4.1.1, RFC 3030): the verb, and what each verb's
// arguments say. Pure functions; views point into the line.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/proto/lmtp/address.h"

namespace poplar::lmtp {

// The order is that of the metrics and of the table of verbs.
enum class Verb : uint8_t {
  kUnknown,
  kLhlo,  // RFC 2033 §4.1
  kHelo,  // HELO and EHLO: what an SMTP client says by mistake (RFC 2033 §4.1)
  kMail,
  kRcpt,
  kData,
  kBdat,  // RFC 3030 §2
  kRset,
  kNoop,
  kVrfy,
  kExpn,
  kHelp,
  kQuit,
  kXclient,  // Postfix's; xclient.h
};
inline constexpr size_t kVerbs = 14;

// "MAIL"; "unknown" for kUnknown.
std::string_view VerbName(Verb verb);

struct Command {
  Verb verb = Verb::kUnknown;
  // Behind the verb and its blanks, without blanks at the end.
  std::string_view rest;
};

// Verbs are matched in either case. REQUIRES: no control bytes in the line.
Command ParseCommand(std::string_view line);

// Whether a control byte (0x00 to 0x1F, 0x7F) stands in the text.
bool HasControlByte(std::string_view text);

// The functions below return the reply that refuses the arguments, or nothing.

struct MailArguments {
  Path path;
  uint64_t declared_octets = 0;  // SIZE (RFC 1870); 0 if not given.
  bool smtputf8 = false;         // RFC 6531 §3.4
  // Of a message that is imported; README.md says more.
  std::string uidl;                    // XUIDL; empty if not given.
  std::optional<int64_t> received_us;  // XRECEIVED
};
// "FROM:<path> SIZE=n BODY=8BITMIME SMTPUTF8", and with `imports` "XUIDL=xtext XRECEIVED=n".
std::string_view ParseMail(std::string_view rest, bool imports, MailArguments& arguments);

// "TO:<path>". A path without domain must be postmaster's (RFC 5321 §4.1.1.3).
std::string_view ParseRcpt(std::string_view rest, bool smtputf8, Path& path);

struct BdatArguments {
  uint64_t octets = 0;
  bool last = false;
};
// "n" or "n LAST".
std::string_view ParseBdat(std::string_view rest, BdatArguments& arguments);

}  // namespace poplar::lmtp
