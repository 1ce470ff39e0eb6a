#include "auth/schemes/stored_fields.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/escaping.h"
#include "core/base/status.h"

namespace poplar::auth {
namespace {

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

std::vector<std::string_view> SplitFields(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  for (;;) {
    const size_t end = text.find(separator);
    fields.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return fields;
    text.remove_prefix(end + 1);
  }
}

std::optional<uint32_t> ParseCount(std::string_view text) {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return number;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(ToAbsl(text), &bytes)) return std::nullopt;
  // abseil is generous with white space, dots and stray bits: what it would write itself decides.
  if (text != EncodeBase64(bytes) && text != EncodeBase64Unpadded(bytes)) return std::nullopt;
  return bytes;
}

std::string EncodeBase64(std::string_view bytes) { return absl::Base64Escape(ToAbsl(bytes)); }

std::string EncodeBase64Unpadded(std::string_view bytes) {
  std::string text = EncodeBase64(bytes);
  text.resize(text.find_last_not_of('=') + 1);
  return text;
}

std::optional<std::string> DecodeAdaptedBase64(std::string_view text) {
  if (text.find_first_of("+=") != std::string_view::npos) return std::nullopt;
  std::string standard(text);
  std::replace(standard.begin(), standard.end(), '.', '+');
  return DecodeBase64(standard);
}

std::optional<std::string> DecodeHex(std::string_view text) {
  if (text.size() % 2 != 0 || !std::all_of(text.begin(), text.end(), IsHexDigit)) {
    return std::nullopt;
  }
  return absl::HexStringToBytes(ToAbsl(text));
}

}  // namespace poplar::auth
