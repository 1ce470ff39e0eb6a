// Command lines against a plain restatement of their rules. The first byte is the size of the
// pieces that the rest is fed to the line reader in; the lines must be those of the rest in one
// piece. Each is parsed, and its words are taken for numbers and for base64.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/byte_buffer.h"
#include "core/base/check.h"
#include "core/base/secret.h"
#include "core/proto/pop3/base64.h"
#include "core/proto/pop3/command.h"
#include "core/proto/wire/line_reader.h"

namespace poplar::pop3 {
namespace {

constexpr uint32_t kLineBytesMax = 64;  // Small, so that the fuzzer meets it often.

// What is between line ends; nullopt for a line that is too long.
using Lines = std::vector<std::optional<std::string>>;

Lines ReadLines(std::string_view text, size_t piece) {
  wire::LineReader reader;
  Lines lines;
  while (!text.empty()) {
    const std::string copy(text.substr(0, piece));
    text.remove_prefix(copy.size());
    std::string_view input = copy;
    std::string_view line;
    wire::LineReader::Result result;
    while ((result = reader.Next(input, kLineBytesMax, line)) !=
           wire::LineReader::Result::kIncomplete) {
      POP_CHECK(reader.kept_bytes() <= kLineBytesMax);
      if (result == wire::LineReader::Result::kLine) {
        lines.emplace_back(line);
      } else {
        lines.emplace_back();
      }
    }
    POP_CHECK(input.empty());
  }
  return lines;
}

Lines ExpectedLines(std::string_view text) {
  Lines lines;
  for (size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (end + 1 > kLineBytesMax) {
      lines.emplace_back();
      continue;
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
  }
  return lines;
}

std::string UpperCase(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

void CheckNumber(std::string_view word) {
  bool digits = !word.empty();
  uint64_t value = 0;
  for (const char c : word) {
    digits = digits && c >= '0' && c <= '9';
    if (digits && value <= UINT32_MAX) value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  const std::optional<uint32_t> number = ParseNumber(word);
  POP_CHECK(number.has_value() == digits);
  POP_CHECK(!number || *number == std::min<uint64_t>(value, UINT32_MAX));
}

void CheckBase64(std::string_view word) {
  base::Secret bytes;
  if (!DecodeBase64(word, bytes)) return;
  base::ByteBuffer encoded;
  AppendBase64(bytes.Reveal(), encoded);
  POP_CHECK(encoded.view() == word);  // There is one spelling only.
}

void CheckCommand(std::string_view line) {
  const size_t blank = line.find(' ');
  const std::string word = UpperCase(line.substr(0, blank));
  const Command command = ParseCommand(line);
  const bool known = command.verb != Verb::kUnknown;
  POP_CHECK(!known || VerbName(command.verb) == word);
  for (size_t i = 1; i < kVerbs && !known; ++i) POP_CHECK(VerbName(static_cast<Verb>(i)) != word);
  POP_CHECK(command.rest == (blank == line.npos ? "" : line.substr(blank + 1)));

  std::vector<std::string_view> words;
  std::string_view rest = command.rest;
  while (true) {
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest.empty()) break;
    words.push_back(rest.substr(0, rest.find(' ')));
    rest.remove_prefix(words.back().size());
    CheckNumber(words.back());
    CheckBase64(words.back());
  }
  const Arguments arguments = SplitArguments(command.rest);
  POP_CHECK(arguments.count == (words.size() < 3 ? words.size() : 3));
  POP_CHECK(arguments.first == (words.empty() ? "" : words[0]));
  POP_CHECK(arguments.second == (words.size() < 2 ? "" : words[1]));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Lines lines = ExpectedLines(text);
  POP_CHECK(ReadLines(text, text.size()) == lines);
  POP_CHECK(ReadLines(text, 1 + data[0] % 80) == lines);
  for (const std::optional<std::string>& line : lines) {
    if (line) CheckCommand(*line);
  }
  return 0;
}

}  // namespace poplar::pop3
