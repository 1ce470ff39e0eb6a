#include "tests/support/transcript.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <utility>

namespace poplar::test {
namespace {

std::string Where(std::string_view file, int line) {
  return std::string(file) + ":" + std::to_string(line) + ": ";
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes one character, plain or escaped (but no repetition), from the front of `text`.
std::optional<char> TakeCharacter(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const char first = text.front();
  text.remove_prefix(1);
  if (first != '\\') return first;
  if (text.empty()) return std::nullopt;
  const char name = text.front();
  text.remove_prefix(1);
  switch (name) {
    case 'r':
      return '\r';
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case '0':
      return '\0';
    case '\\':
      return '\\';
    case 'x': {
      if (text.size() < 2) return std::nullopt;
      const int high = HexDigit(text[0]);
      const int low = HexDigit(text[1]);
      text.remove_prefix(2);
      if (high < 0 || low < 0) return std::nullopt;
      return static_cast<char>(high * 16 + low);
    }
    default:
      return std::nullopt;
  }
}

// Takes `\{COUNT CHARACTER}` from the front of `text` and appends what it stands for.
bool TakeRepetition(std::string_view& text, std::string& bytes) {
  constexpr size_t kRepetitionsMax = 100'000'000;
  text.remove_prefix(2);
  size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count > kRepetitionsMax) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (!text.starts_with(' ')) return false;
  text.remove_prefix(1);
  const std::optional<char> character = TakeCharacter(text);
  if (!character || !text.starts_with('}')) return false;
  text.remove_prefix(1);
  bytes.append(count, *character);
  return true;
}

std::optional<std::string> Unescape(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (text.starts_with("\\{")) {
      if (!TakeRepetition(text, bytes)) return std::nullopt;
      continue;
    }
    const std::optional<char> character = TakeCharacter(text);
    if (!character) return std::nullopt;
    bytes += *character;
  }
  return bytes;
}

// What a client wants to send joins the packet before it, or starts one.
bool AddPacket(Transcript& transcript, int line, bool joins, std::string bytes) {
  using Kind = TranscriptStep::Kind;
  if (!joins) {
    transcript.steps.push_back({Kind::kPacket, line, std::move(bytes), {}});
    return true;
  }
  if (transcript.steps.empty() || transcript.steps.back().kind != Kind::kPacket) return false;
  transcript.steps.back().text += bytes;
  return true;
}

// One line of a transcript that is neither empty nor a comment. Returns what is wrong with it.
std::string ParseLine(std::string_view text, int line, Transcript& transcript) {
  using Kind = TranscriptStep::Kind;
  if (text.starts_with("@ ")) {
    text.remove_prefix(2);
    const size_t space = std::min(text.find(' '), text.size());
    std::optional<std::string> value = Unescape(text.substr(std::min(space + 1, text.size())));
    if (!value) return "an escape is not understood";
    transcript.steps.push_back(
        {Kind::kDirective, line, std::string(text.substr(0, space)), *std::move(value)});
    return "";
  }
  const std::string_view mark = text.substr(0, 2);
  // An editor may have cut the blank behind the mark of an empty line.
  if (text.size() > 2 && text[2] != ' ') return "a blank must follow the mark";
  const std::string_view rest = text.substr(std::min<size_t>(3, text.size()));
  if (mark == "S~") {
    transcript.steps.push_back({Kind::kExpectPattern, line, std::string(rest), {}});
    return "";
  }
  std::optional<std::string> bytes = Unescape(rest);
  if (!bytes) return "an escape is not understood";
  if (mark == "S:") {
    transcript.steps.push_back({Kind::kExpectLine, line, *std::move(bytes), {}});
    return "";
  }
  const bool joins = mark.ends_with('+');
  if (mark == "C:" || mark == "C+") {
    *bytes += "\r\n";
  } else if (mark != "B:" && mark != "B+") {
    return "a line begins with one of # @ C: C+ B: B+ S: S~";
  }
  return AddPacket(transcript, line, joins, *std::move(bytes)) ? ""
                                                               : "no packet stands before this one";
}

// Makes control and 8-bit bytes visible in failures.
std::string Visible(std::string_view bytes) {
  constexpr size_t kShownMax = 400;
  std::string shown;
  for (const char c : bytes.substr(0, kShownMax)) {
    if (c >= 0x20 && c < 0x7F) {
      shown += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<unsigned char>(c));
      shown += escaped;
    }
  }
  return bytes.size() > kShownMax ? shown + "…" : shown;
}

// Checks one expected line against the front of `output` and takes it. Returns what went wrong.
std::string CheckLine(const TranscriptStep& step, std::string& output) {
  const size_t end = output.find("\r\n");
  if (end == std::string::npos) {
    return "expected `" + Visible(step.text) + "`, but the server says " +
           (output.empty() ? "nothing" : "only `" + Visible(output) + "`");
  }
  const std::string line = output.substr(0, end);
  output.erase(0, end + 2);
  const bool matches = step.kind == TranscriptStep::Kind::kExpectLine
                           ? line == step.text
                           : std::regex_match(line, std::regex(step.text));
  if (matches) return "";
  return "expected `" + Visible(step.text) + "`, but the server says `" + Visible(line) + "`";
}

class TranscriptTest : public testing::Test {
 public:
  TranscriptTest(std::string path, TranscriptPeerFactory make_peer)
      : path_(std::move(path)), make_peer_(std::move(make_peer)) {}

  void TestBody() override {
    const StatusOr<Transcript> transcript = LoadTranscript(path_);
    ASSERT_TRUE(transcript.ok()) << Message(transcript.status());
    const std::unique_ptr<TranscriptPeer> peer = make_peer_();
    const std::string failure = RunTranscript(*transcript, *peer);
    EXPECT_TRUE(failure.empty()) << failure;
  }

 private:
  std::string path_;
  TranscriptPeerFactory make_peer_;
};

}  // namespace

StatusOr<Transcript> ParseTranscript(std::string_view file, std::string_view text) {
  Transcript transcript{std::string(file), {}};
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view current = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (current.empty() || current.starts_with('#')) continue;
    const std::string fault = ParseLine(current, line, transcript);
    if (!fault.empty()) {
      return MakeStatus(StatusCode::kInvalidArgument, Where(file, line) + fault);
    }
  }
  return transcript;
}

StatusOr<Transcript> LoadTranscript(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return MakeStatus(StatusCode::kNotFound, path + ": cannot be read");
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return ParseTranscript(path, text);
}

std::string RunTranscript(const Transcript& transcript, TranscriptPeer& peer) {
  using Kind = TranscriptStep::Kind;
  std::string output;
  bool started = false;
  for (const TranscriptStep& step : transcript.steps) {
    if (!started && step.kind != Kind::kDirective) {
      started = true;
      peer.Start(output);
    }
    std::string fault;
    if (step.kind == Kind::kDirective) {
      fault = peer.Directive(step.text, step.value, output);
    } else if (step.kind != Kind::kPacket) {
      fault = CheckLine(step, output);
    } else if (!output.empty()) {
      fault = "before this is sent, the server says unexpectedly `" + Visible(output) + "`";
    } else {
      peer.Receive(step.text, output);
    }
    if (!fault.empty()) return Where(transcript.file, step.line) + fault;
  }
  if (!started) return transcript.file + ": has no step";
  if (output.empty()) return "";
  return Where(transcript.file, transcript.steps.back().line) +
         "after this, the server says unexpectedly `" + Visible(output) + "`";
}

size_t RegisterTranscriptTests(const std::string& folder, [[maybe_unused]] const char* suite,
                               [[maybe_unused]] const TranscriptPeerFactory& make_peer) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".transcript") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for ([[maybe_unused]] const std::filesystem::path& path : paths) {
#ifndef __clang_analyzer__  // It takes the registry, which owns its factories, for a leak.
    testing::RegisterTest(suite, path.stem().c_str(), nullptr, nullptr, path.c_str(), 1,
                          [file = path.string(), make_peer]() -> testing::Test* {
                            return new TranscriptTest(file, make_peer);
                          });
#endif
  }
  return paths.size();
}

}  // namespace poplar::test
