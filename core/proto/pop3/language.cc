#include "core/proto/pop3/language.h"

#include <strings.h>

#include <algorithm>
#include <array>

namespace poplar::pop3 {
namespace {

bool Equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// RFC 4647 §3.4: without the last subtag, and the single letter that it may hang on.
std::string_view Shortened(std::string_view range) {
  range = range.substr(0, std::min(range.rfind('-'), range.size()));
  const size_t dash = range.rfind('-');
  const bool single = dash != range.npos && range.size() - dash == 2;
  return single ? range.substr(0, dash) : range;
}

}  // namespace

std::string_view Language::Translated(std::string_view reply) const {
  for (const Translation& translation : texts)
    if (translation.english == reply) return translation.text;
  return reply;
}

std::span<const Language> Languages() {
  static const std::array<Language, 5> kLanguages = {{
      {"i-default", "English", {}},
      {"en", "English", {}},
      {"de", "Deutsch", kGermanTexts},
      {"es", "Español", kSpanishTexts},
      {"fr", "Français", kFrenchTexts},
  }};
  return kLanguages;
}

const Language* FindLanguage(std::string_view range) {
  if (range == "*") return Languages().data();
  while (true) {
    for (const Language& language : Languages())
      if (Equal(language.tag, range)) return &language;
    const std::string_view shorter = Shortened(range);
    if (shorter.size() == range.size()) return nullptr;
    range = shorter;
  }
}

}  // namespace poplar::pop3
