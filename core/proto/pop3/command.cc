#include "core/proto/pop3/command.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace poplar::pop3 {
namespace {

constexpr std::array<std::string_view, kVerbs> kNames = {
    "unknown", "USER", "PASS", "APOP", "AUTH", "STLS", "CAPA", "STAT", "LIST",   "RETR",
    "DELE",    "NOOP", "RSET", "TOP",  "UIDL", "QUIT", "UTF8", "LANG", "XDATES", "XCLIENT"};
static_assert(static_cast<size_t>(Verb::kXclient) + 1 == kVerbs);

// A letter more of a word as a number, lower case. Setting bit 0x20 makes no letter of what is
// none: only the two cases of a letter give its lower case. Of a digit it makes itself, and of a
// control byte too, but a line with such a byte is not run. None becomes 0, so that words of other
// lengths, of more than eight letters too, are other numbers than those of all verbs.
constexpr uint64_t WithLetter(uint64_t key, char letter) {
  return key << 8 | (static_cast<uint8_t>(letter) | 0x20U);
}

constexpr uint64_t Key(std::string_view letters) {
  uint64_t key = 0;
  for (const char letter : letters) key = WithLetter(key, letter);
  return key;
}

Verb VerbOf(uint64_t key) {
  switch (key) {
    case Key("user"):
      return Verb::kUser;
    case Key("pass"):
      return Verb::kPass;
    case Key("apop"):
      return Verb::kApop;
    case Key("auth"):
      return Verb::kAuth;
    case Key("stls"):
      return Verb::kStls;
    case Key("capa"):
      return Verb::kCapa;
    case Key("stat"):
      return Verb::kStat;
    case Key("list"):
      return Verb::kList;
    case Key("retr"):
      return Verb::kRetr;
    case Key("dele"):
      return Verb::kDele;
    case Key("noop"):
      return Verb::kNoop;
    case Key("rset"):
      return Verb::kRset;
    case Key("top"):
      return Verb::kTop;
    case Key("uidl"):
      return Verb::kUidl;
    case Key("quit"):
      return Verb::kQuit;
    case Key("utf8"):
      return Verb::kUtf8;
    case Key("lang"):
      return Verb::kLang;
    case Key("xdates"):
      return Verb::kXdates;
    case Key("xclient"):
      return Verb::kXclient;
    default:
      return Verb::kUnknown;
  }
}

// Words are short: a loop takes a third of what the library's searches do.
size_t WordBytes(std::string_view text) {
  size_t bytes = 0;
  while (bytes < text.size() && text[bytes] != ' ') ++bytes;
  return bytes;
}

// Takes the next word, and the blanks before it, from the front of `text`. Empty at the end.
std::string_view TakeWord(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const std::string_view word = text.substr(0, WordBytes(text));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

std::string_view VerbName(Verb verb) { return kNames[static_cast<size_t>(verb)]; }

Command ParseCommand(std::string_view line) {
  uint64_t key = 0;
  size_t end = 0;
  for (; end < line.size() && line[end] != ' '; ++end) key = WithLetter(key, line[end]);
  return {VerbOf(key), line.substr(std::min(end + 1, line.size()))};
}

Arguments SplitArguments(std::string_view rest) {
  Arguments arguments;
  if (rest.empty()) return arguments;  // Most commands.
  arguments.first = TakeWord(rest);
  arguments.second = TakeWord(rest);
  arguments.count = static_cast<uint8_t>(!arguments.first.empty() + !arguments.second.empty() +
                                         !TakeWord(rest).empty());
  return arguments;
}

std::optional<uint32_t> ParseNumber(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::numeric_limits<uint32_t>::max();
  if (error != std::errc()) return std::nullopt;
  return number;
}

bool HasControlByte(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

}  // namespace poplar::pop3
