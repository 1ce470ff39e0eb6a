#include "core/app/roff.h"

#include <algorithm>
#include <cctype>

namespace poplar::app::roff {
namespace {

std::string Lines(std::string_view text) {
  std::string made;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    while (line.starts_with(' ')) line.remove_prefix(1);
    if (!line.empty()) made += Text(line) + "\n";
  }
  return made;
}

}  // namespace

std::string Text(std::string_view text) {
  std::string made;
  if (text.starts_with('.') || text.starts_with('\'')) made += "\\&";
  for (const char c : text) {
    switch (c) {
      case '\\':
        made += "\\e";
        break;
      case '-':
        made += "\\-";
        break;
      case '`':
        made += "\\(ga";
        break;
      case '\'':
        made += "\\(aq";
        break;
      case '^':
        made += "\\(ha";
        break;
      case '~':
        made += "\\(ti";
        break;
      default:
        made += c;
    }
  }
  return made;
}

std::string Bold(std::string_view text) { return "\\fB" + Text(text) + "\\fR"; }

std::string Italic(std::string_view text) { return "\\fI" + Text(text) + "\\fR"; }

std::string Title(std::string_view name, std::string_view section, std::string_view source) {
  std::string upper(name);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  return ".TH " + Text(upper) + " " + std::string(section) + " \"\" \"" + Text(source) +
         "\" \"Poplar\"\n.ad l\n.nh\n";
}

std::string Section(std::string_view name) { return ".SH " + Text(name) + "\n"; }

std::string Paragraph(std::string_view text) { return ".PP\n" + Lines(text); }

std::string Item(std::string_view name, std::string_view text) {
  return ".TP\n" + std::string(name) + "\n" + Lines(text);
}

std::string Literal(std::string_view lines) {
  std::string made = ".PP\n.nf\n";
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    made += "\\&" + Text(lines.substr(0, end)) + "\n";
    lines = end == std::string_view::npos ? std::string_view() : lines.substr(end + 1);
  }
  return made + ".fi\n";
}

}  // namespace poplar::app::roff
