#include "core/setup/xml_text.h"

#include <algorithm>
#include <cstdint>

#include "core/base/utf8.h"

namespace poplar::setup {
namespace {

// XML 1.0, production 2.
bool IsChar(uint32_t point) {
  return point == '\t' || point == '\n' || point == '\r' ||
         (point >= 0x20 && point != 0xFFFE && point != 0xFFFF);
}

std::string_view EscapeOf(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&apos;";
    default:
      return "";
  }
}

}  // namespace

std::string XmlText(std::string_view text) {
  std::string xml;
  while (!text.empty()) {
    const base::Utf8Character first = base::FirstUtf8(text);
    const size_t bytes = std::max<size_t>(first.bytes, 1);
    const std::string_view escape = EscapeOf(text.front());
    if (first.bytes == 0 || !IsChar(first.point)) {
      xml += '?';
    } else if (!escape.empty()) {
      xml += escape;
    } else {
      xml += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return xml;
}

std::string XmlElement(int depth, std::string_view name, std::string_view text) {
  std::string line(static_cast<size_t>(depth) * 2, ' ');
  line += "<" + std::string(name) + ">" + XmlText(text) + "</" + std::string(name) + ">\n";
  return line;
}

}  // namespace poplar::setup
