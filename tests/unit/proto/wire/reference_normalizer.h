// The normaliser's rules, said a second time and slowly: whole strings, one pass a rule, nothing
// shared with the automaton. Tests and the fuzz target compare the two.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace poplar::wire {

struct ReferenceResult {
  std::string wire;
  uint64_t octets = 0;
  uint64_t header_bytes = 0;
  size_t consumed = 0;
};

// Cuts DATA into its CRLF lines, without stuffing; nothing if it does not end. `consumed` says
// where it ended.
inline std::optional<std::string> ReferenceUnstuff(std::string_view data, size_t& consumed) {
  std::string message;
  size_t at = 0;
  while (true) {
    const size_t crlf = data.find("\r\n", at);
    if (crlf == std::string_view::npos) return std::nullopt;
    std::string_view line = data.substr(at, crlf - at);
    at = crlf + 2;
    if (line == ".") {
      consumed = at;
      return message;
    }
    if (line.starts_with('.')) line.remove_prefix(1);
    message.append(line).append("\r\n");
  }
}

inline ReferenceResult ReferenceStore(std::string_view message) {
  std::string crlf;
  for (const char c : message) {
    if (c == '\n' && (crlf.empty() || crlf.back() != '\r')) crlf += '\r';
    crlf += c;
  }
  if (!crlf.empty() && !crlf.ends_with("\r\n")) crlf += "\r\n";

  ReferenceResult result;
  result.octets = crlf.size();
  bool header = true;
  for (size_t at = 0; at < crlf.size();) {
    const size_t end = crlf.find("\r\n", at) + 2;
    if (crlf[at] == '.') result.wire += '.';
    result.wire.append(crlf, at, end - at);
    if (header) result.header_bytes = result.wire.size();
    if (end - at == 2) header = false;
    at = end;
  }
  result.wire += ".\r\n";
  return result;
}

inline std::optional<ReferenceResult> ReferenceNormalize(std::string_view prefix,
                                                         std::string_view data) {
  size_t consumed = 0;
  const std::optional<std::string> message = ReferenceUnstuff(data, consumed);
  if (!message) return std::nullopt;
  ReferenceResult result = ReferenceStore(std::string(prefix) + *message);
  result.consumed = consumed;
  return result;
}

}  // namespace poplar::wire
