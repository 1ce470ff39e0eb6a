#include "core/proto/lmtp/command.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/base/limits.h"
#include "core/proto/lmtp/replies.h"
#include "core/proto/lmtp/xtext.h"

namespace poplar::lmtp {
namespace {

constexpr std::array<std::string_view, kVerbs> kVerbNames = {
    "unknown", "LHLO", "HELO", "MAIL", "RCPT", "DATA", "BDAT",
    "RSET",    "NOOP", "VRFY", "EXPN", "HELP", "QUIT", "XCLIENT"};

char ToUpper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool EqualsIgnoringCase(std::string_view text, std::string_view upper) {
  if (text.size() != upper.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (ToUpper(text[i]) != upper[i]) return false;
  }
  return true;
}

void SkipBlanks(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
}

// The next word and the blanks behind it, off the front of `text`.
std::string_view TakeWord(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  SkipBlanks(text);
  return word;
}

// Up to 20 digits (RFC 1870 §4); what does not fit counts as the largest number.
bool ParseOctets(std::string_view text, uint64_t& octets) {
  constexpr size_t kDigitsMax = 20;
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  if (text.empty() || text.size() > kDigitsMax) return false;
  octets = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    const auto digit = static_cast<uint64_t>(c - '0');
    octets = octets > (kMax - digit) / 10 ? kMax : octets * 10 + digit;
  }
  return true;
}

// Takes "FROM:" or "TO:" and the path behind it; some clients put a blank between the two. A
// parameter may only follow behind a blank.
PathResult TakePath(std::string_view& rest, std::string_view keyword, Path& path) {
  if (!EqualsIgnoringCase(rest.substr(0, keyword.size()), keyword)) return PathResult::kSyntax;
  rest.remove_prefix(keyword.size());
  SkipBlanks(rest);
  const PathResult result = ParsePath(rest, path);
  if (result != PathResult::kOk) return result;
  if (!rest.empty() && !rest.starts_with(' ')) return PathResult::kSyntax;
  SkipBlanks(rest);
  return PathResult::kOk;
}

// What RFC 1939 §7 allows as a UIDL.
bool ParseUidl(std::string_view xtext, std::string& uidl) {
  const std::optional<std::string> decoded = DecodeXtext(xtext);
  if (!decoded || decoded->empty() || decoded->size() > kUidlBytesMax) return false;
  uidl = *decoded;
  return std::ranges::all_of(uidl, [](char c) { return c > 0x20 && c < 0x7f; });
}

// Microseconds since 1970, with a sign for what is older; far from what would overflow.
bool ParseReceived(std::string_view text, std::optional<int64_t>& received_us) {
  constexpr uint64_t kReceivedUsMax = 1'000'000'000'000'000'000;  // In the year 33658.
  const bool before_1970 = text.starts_with('-');
  uint64_t number = 0;
  if (before_1970) text.remove_prefix(1);
  if (!ParseOctets(text, number) || number > kReceivedUsMax) return false;
  received_us = before_1970 ? -static_cast<int64_t>(number) : static_cast<int64_t>(number);
  return true;
}

// The parameters of the import listener.
std::string_view ParseImportParameter(std::string_view keyword, std::string_view value,
                                      MailArguments& arguments) {
  if (EqualsIgnoringCase(keyword, "XUIDL")) {
    if (!arguments.uidl.empty()) return reply::kParameterTwice;
    return ParseUidl(value, arguments.uidl) ? "" : reply::kBadUidl;
  }
  if (EqualsIgnoringCase(keyword, "XRECEIVED")) {
    if (arguments.received_us.has_value()) return reply::kParameterTwice;
    return ParseReceived(value, arguments.received_us) ? "" : reply::kBadReceived;
  }
  return reply::kUnknownParameter;
}

struct MailParameters {
  bool size = false;
  bool body = false;
};

std::string_view ParseMailParameter(std::string_view word, bool imports, MailParameters& seen,
                                    MailArguments& arguments) {
  const size_t equals = word.find('=');
  const bool has_value = equals != std::string_view::npos;
  const std::string_view keyword = word.substr(0, equals);
  const std::string_view value = has_value ? word.substr(equals + 1) : std::string_view();
  if (EqualsIgnoringCase(keyword, "SIZE")) {
    if (seen.size) return reply::kParameterTwice;
    seen.size = true;
    return ParseOctets(value, arguments.declared_octets) ? "" : reply::kBadSize;
  }
  if (EqualsIgnoringCase(keyword, "BODY")) {
    if (seen.body) return reply::kParameterTwice;
    seen.body = true;
    const bool known = EqualsIgnoringCase(value, "7BIT") || EqualsIgnoringCase(value, "8BITMIME");
    return known ? "" : reply::kBadBody;
  }
  if (EqualsIgnoringCase(keyword, "SMTPUTF8")) {
    if (has_value) return reply::kBadSmtputf8;
    if (arguments.smtputf8) return reply::kParameterTwice;
    arguments.smtputf8 = true;
    return "";
  }
  return imports ? ParseImportParameter(keyword, value, arguments) : reply::kUnknownParameter;
}

}  // namespace

std::string_view VerbName(Verb verb) { return kVerbNames[static_cast<size_t>(verb)]; }

Command ParseCommand(std::string_view line) {
  while (line.ends_with(' ')) line.remove_suffix(1);
  const std::string_view word = TakeWord(line);
  Command command{Verb::kUnknown, line};
  if (EqualsIgnoringCase(word, "EHLO")) {
    command.verb = Verb::kHelo;
    return command;
  }
  for (size_t verb = 1; verb < kVerbs; ++verb) {
    if (EqualsIgnoringCase(word, kVerbNames[verb])) command.verb = static_cast<Verb>(verb);
  }
  return command;
}

bool HasControlByte(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return true;
  }
  return false;
}

std::string_view ParseMail(std::string_view rest, bool imports, MailArguments& arguments) {
  arguments = MailArguments();
  if (!EqualsIgnoringCase(rest.substr(0, 5), "FROM:")) return reply::kMailSyntax;
  const PathResult result = TakePath(rest, "FROM:", arguments.path);
  if (result == PathResult::kTooLong) return reply::kAddressTooLong;
  if (result != PathResult::kOk) return reply::kBadSender;
  MailParameters seen;
  while (!rest.empty()) {
    const std::string_view fault = ParseMailParameter(TakeWord(rest), imports, seen, arguments);
    if (!fault.empty()) return fault;
  }
  if (!arguments.path.is_ascii && !arguments.smtputf8) return reply::kNonAsciiSender;
  return "";
}

std::string_view ParseRcpt(std::string_view rest, bool smtputf8, Path& path) {
  if (!EqualsIgnoringCase(rest.substr(0, 3), "TO:")) return reply::kRcptSyntax;
  const PathResult result = TakePath(rest, "TO:", path);
  if (result == PathResult::kTooLong) return reply::kAddressTooLong;
  if (result != PathResult::kOk || path.is_null()) return reply::kBadRecipient;
  if (!path.has_domain && !EqualsIgnoringCase(path.address, "POSTMASTER")) {
    return reply::kBadRecipient;
  }
  if (!rest.empty()) return reply::kUnknownParameter;
  if (!path.is_ascii && !smtputf8) return reply::kNonAsciiRecipient;
  return "";
}

std::string_view ParseBdat(std::string_view rest, BdatArguments& arguments) {
  arguments = BdatArguments();
  if (!ParseOctets(TakeWord(rest), arguments.octets)) return reply::kBadBdat;
  if (rest.empty()) return "";
  arguments.last = EqualsIgnoringCase(TakeWord(rest), "LAST");
  return arguments.last && rest.empty() ? "" : reply::kBadBdat;
}

}  // namespace poplar::lmtp
