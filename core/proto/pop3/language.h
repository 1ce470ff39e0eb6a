// The languages in which replies can be told (RFC 6856 §3). A language is a table from the English
// texts of replies.h to its own; what it lacks stays English. Replies keep their status, their
// response code and their line end.

#pragma once

#include <span>
#include <string_view>

namespace poplar::pop3 {

struct Translation {
  std::string_view english;
  std::string_view text;  // UTF-8.
};

struct Language {
  std::string_view tag;   // RFC 5646.
  std::string_view name;  // In the language itself.
  std::span<const Translation> texts;

  // `reply` as it is told in this language.
  std::string_view In(std::string_view reply) const {
    return texts.empty() ? reply : Translated(reply);
  }

 private:
  std::string_view Translated(std::string_view reply) const;
};

// All of them; the first, "i-default" (RFC 2277 §4.5), is what a session begins with.
std::span<const Language> Languages();

// Which of them suits a language range best by RFC 4647 §3.4 (a lookup: "de" for "de-AT"); "*"
// suits the first. Null: none.
const Language* FindLanguage(std::string_view range);

// language_de.cc and so on.
extern const std::span<const Translation> kGermanTexts;
extern const std::span<const Translation> kFrenchTexts;
extern const std::span<const Translation> kSpanishTexts;

}  // namespace poplar::pop3
