#include "core/proto/lmtp/xtext.h"

namespace poplar::lmtp {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::optional<std::string> DecodeXtext(std::string_view xtext) {
  std::string text;
  for (size_t i = 0; i < xtext.size(); ++i) {
    int byte = static_cast<unsigned char>(xtext[i]);
    if (byte == '=') return std::nullopt;
    if (byte == '+') {
      if (xtext.size() - i < 3) return std::nullopt;
      const int high = HexDigit(xtext[i + 1]);
      const int low = HexDigit(xtext[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      byte = high * 16 + low;
      i += 2;
    }
    if (byte < 0x20 || byte == 0x7f) return std::nullopt;
    text.push_back(static_cast<char>(byte));
  }
  return text;
}

}  // namespace poplar::lmtp
