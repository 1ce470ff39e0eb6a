// POP3 command lines: the verb, its arguments, numbers. Pure functions; views point into the line.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace poplar::pop3 {

// The order is that of the metrics and of the table of rules in session.cc.
enum class Verb : uint8_t {
  kUnknown,
  kUser,  // RFC 1939 §7
  kPass,  // RFC 1939 §7
  kApop,  // RFC 1939 §7
  kAuth,  // RFC 5034 §4
  kStls,  // RFC 2595 §4
  kCapa,  // RFC 2449 §5
  kStat,  // RFC 1939 §5, as the others below but TOP and UIDL
  kList,
  kRetr,
  kDele,
  kNoop,
  kRset,
  kTop,      // RFC 1939 §7
  kUidl,     // RFC 1939 §7
  kQuit,     // RFC 1939 §4 and §6
  kUtf8,     // RFC 6856 §2.1
  kLang,     // RFC 6856 §3
  kXdates,   // Our own: when each message was received; for exports.
  kXclient,  // Dovecot's; xclient.h
};
inline constexpr size_t kVerbs = 20;

// "USER"; "unknown" for kUnknown.
std::string_view VerbName(Verb verb);

struct Command {
  Verb verb = Verb::kUnknown;
  // Everything behind the verb and the one blank after it, verbatim: what PASS takes.
  std::string_view rest;
};

// Verbs are matched in either case (RFC 1939 §3). A line that does not begin with a verb that is
// known, followed by a blank or its end, is kUnknown.
Command ParseCommand(std::string_view line);

// The arguments of any verb but PASS and XCLIENT: words between blanks. Blanks before, between and
// behind them are fine, more than two of them are not needed by any command.
struct Arguments {
  std::string_view first;
  std::string_view second;
  uint8_t count = 0;  // 0, 1, 2; 3 for more.
};
Arguments SplitArguments(std::string_view rest);

// Digits only; a sign, a blank or nothing at all is no number. One beyond 2^32 - 1 counts as that:
// no maildrop and no message goes so far.
std::optional<uint32_t> ParseNumber(std::string_view text);

// Whether a control byte (0x00 to 0x1F, 0x7F) stands in the text. Bytes above 0x7F are none.
bool HasControlByte(std::string_view text);

}  // namespace poplar::pop3
