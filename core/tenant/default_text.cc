#include "core/tenant/config.h"
#include "core/tenant/settings.h"

namespace poplar::tenant {
namespace {

constexpr std::string_view kHead =
    "# Poplar's configuration. Every line here says what holds anyway: change what should differ.\n"
    "# Paths are relative to this file's folder. Test a change with `poplar check`; the server\n"
    "# reads it at its start, and at SIGHUP those settings that need no restart.\n";

void AppendComment(std::string_view lines, std::string& text) {
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    text += "# ";
    text += lines.substr(0, end);
    text += '\n';
    lines = end == std::string_view::npos ? std::string_view() : lines.substr(end + 1);
  }
}

}  // namespace

std::string DefaultConfigText() {
  std::string text(kHead);
  for (const Section& section : Sections()) {
    text += '\n';
    AppendComment(section.explanation, text);
    text += "[" + std::string(section.name) + "]\n";
    for (const Setting& setting : Settings()) {
      if (setting.section != section.name) continue;
      AppendComment(setting.explanation, text);
      if (setting.shown == Shown::kCommented) text += '#';
      text += std::string(setting.key) + " = " + ValueText(setting, Config()) + "\n";
    }
  }
  return text;
}

}  // namespace poplar::tenant
