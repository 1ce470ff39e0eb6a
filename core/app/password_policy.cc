#include "core/app/password_policy.h"

#include <zxcvbn.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "core/base/secret.h"
#include "core/base/utf8.h"

namespace poplar::app {
namespace {

// Guesses, as powers of ten, that a password of each strength withstands: zxcvbn's own scale.
constexpr std::array<double, 5> kGuesses = {0, 3, 6, 8, 10};
// A shorter part of an address is in many words.
constexpr size_t kPartBytesMin = 3;
// zxcvbn's time grows with the square of the length; what is longer is strong by its length, or
// weak by its beginning.
constexpr size_t kJudgedBytesMax = 128;

// What separates the parts of an address, and hides them in a password: "ali.ce" is alice.
constexpr std::string_view kSeparators = ".-_+";

// zxcvbn knows English, and an American keyboard. This is what is guessed first besides: rows of
// German and French keyboards, and the commonest passwords of other languages.
constexpr auto kWellKnown = std::to_array<const char*>({
    "qwertz",     "qwertzuiop", "yxcvbnm",   "azerty",     "azertyuiop",  "qsdfghjklm", "wxcvbn",
    "passwort",   "kennwort",   "geheim",    "hallo",      "schatz",      "sommer",     "herbst",
    "motdepasse", "bonjour",    "soleil",    "doudou",     "chouchou",    "loulou",     "jetaime",
    "printemps",  "automne",    "hiver",     "contrasena", "contraseña",  "tequiero",   "teamo",
    "verano",     "invierno",   "primavera", "estrella",   "senha",       "amor",       "ciao",
    "estate",     "inverno",    "juventus",  "wachtwoord", "welkom",      "zomer",      "haslo",
    "polska",     "heslo",      "salasana",  "losenord",   "adgangskode", "jelszo",     "parola",
});

std::string Lower(std::string_view text) {
  std::string lower(text);
  absl::AsciiStrToLower(&lower);
  return lower;
}

std::string WithoutSeparators(std::string_view text) {
  std::string kept;
  kept.reserve(text.size());  // A password is not to be left behind in memory that was too short.
  for (const char c : text) {
    if (kSeparators.find(c) == std::string_view::npos) kept += c;
  }
  return kept;
}

// Of an address in lower case: itself, its two halves, also without separators, and what these are
// made of. The longest first, so that the sentence names as much as there is.
std::vector<std::string> PartsOf(const std::string& address) {
  std::vector<std::string> parts;
  if (!address.empty()) parts.push_back(address);
  const size_t at = address.rfind('@');
  for (const std::string& half :
       {address.substr(0, at), at == std::string::npos ? "" : address.substr(at + 1)}) {
    for (const std::string& whole : {half, WithoutSeparators(half)}) {
      if (whole.size() >= kPartBytesMin) parts.push_back(whole);
    }
    for (size_t from = 0; from < half.size();) {
      const size_t end = std::min(half.find_first_of(kSeparators, from), half.size());
      if (end - from >= kPartBytesMin) parts.push_back(half.substr(from, end - from));
      from = end + 1;
    }
  }
  std::ranges::sort(parts, [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  return parts;
}

size_t Characters(std::string_view text) {
  size_t count = 0;
  while (!text.empty()) {
    text.remove_prefix(std::max<size_t>(base::FirstUtf8(text).bytes, 1));
    ++count;
  }
  return count;
}

// Takes all parts of the address off, in whatever case, and blanks that stood beside them; the
// longest that was there, or "".
std::string TakeParts(const std::vector<std::string>& parts, std::string& password) {
  std::string found;
  std::string lower = Lower(password);
  for (const std::string& part : parts) {
    for (size_t at = 0; (at = lower.find(part, at)) != std::string::npos;) {
      lower.erase(at, part.size());
      password.erase(at, part.size());
      if (found.empty()) found = part;
    }
  }
  base::Wipe(lower.data(), lower.size());
  if (!found.empty()) absl::StripAsciiWhitespace(&password);
  return found;
}

std::string_view KindOf(unsigned type) {
  switch (type) {
    case DICTIONARY_MATCH:
    case DICT_LEET_MATCH:
      return "words or passwords that many use";
    case USER_MATCH:
    case USER_LEET_MATCH:
      return "a well-known word or a part of the address";
    case REPEATS_MATCH:
      return "repeated characters";
    case SEQUENCE_MATCH:
      return "a sequence like abc or 123";
    case SPATIAL_MATCH:
      return "keys that lie side by side";
    case DATE_MATCH:
    case YEAR_MATCH:
      return "a date or a year";
    default:
      return "";
  }
}

// What a text that says one thing again and again says; else the text itself.
std::string_view SaidAgain(std::string_view text) {
  for (size_t bytes = 1; bytes * 2 <= text.size(); ++bytes) {
    if (text.size() % bytes != 0) continue;
    if (text.substr(bytes) == text.substr(0, text.size() - bytes)) return text.substr(0, bytes);
  }
  return text;
}

struct Estimate {
  double guesses_log10 = 0;
  std::vector<std::string_view> made_of;  // What is easily guessed; each once.
};

Estimate EstimateOf(std::string_view password, const std::vector<std::string>& parts) {
  std::vector<const char*> words;
  words.reserve(parts.size() + kWellKnown.size() + 1);
  for (const std::string& part : parts) words.push_back(part.c_str());
  words.insert(words.end(), kWellKnown.begin(), kWellKnown.end());
  words.push_back(nullptr);
  const std::string_view judged = password.substr(0, kJudgedBytesMax);
  std::string text(SaidAgain(judged));
  ZxcMatch_t* matches = nullptr;
  Estimate estimate;
  estimate.guesses_log10 = ZxcvbnMatch(text.c_str(), words.data(), &matches) * std::log10(2.0);
  if (text.size() < judged.size()) {
    estimate.guesses_log10 += std::log10(judged.size() / text.size());
    estimate.made_of.push_back(KindOf(REPEATS_MATCH));
  }
  base::Wipe(text.data(), text.size());
  for (const ZxcMatch_t* match = matches; match != nullptr; match = match->Next) {
    const std::string_view kind =
        KindOf(static_cast<unsigned>(match->Type) & ~static_cast<unsigned>(MULTIPLE_MATCH));
    if (!kind.empty() && std::ranges::find(estimate.made_of, kind) == estimate.made_of.end()) {
      estimate.made_of.push_back(kind);
    }
  }
  ZxcvbnFreeInfo(matches);
  return estimate;
}

Status Refuse(const std::string& why) { return MakeStatus(StatusCode::kInvalidArgument, why); }

}  // namespace

PasswordPolicy PasswordPolicyOf(const tenant::UsersConfig& users) {
  return {.characters_min = users.password_min_length, .strength_min = users.password_min_strength};
}

Status JudgePassword(const PasswordPolicy& policy, std::string_view password,
                     std::string_view address) {
  const std::vector<std::string> parts = PartsOf(Lower(address));
  if (Characters(password) < policy.characters_min) {
    return Refuse("the password has " + std::to_string(Characters(password)) +
                  " characters, and needs " + std::to_string(policy.characters_min) +
                  " at least: a few words make a good one");
  }
  // As others see it, and as those who know the address do.
  Estimate estimate = EstimateOf(password, parts);
  for (const bool as_it_stands : {true, false}) {
    std::string rest = as_it_stands ? std::string(password) : WithoutSeparators(password);
    const std::string part = TakeParts(parts, rest);
    const size_t left = Characters(rest);
    const double rest_log10 = EstimateOf(rest, parts).guesses_log10;
    base::Wipe(rest.data(), rest.size());
    if (part.empty()) continue;
    if (left < std::max<size_t>(policy.characters_min, 1)) {
      return Refuse("the password has \"" + part +
                    "\" of the address in it, which everybody knows; without it, it is too short: "
                    "leave that out and take at least " +
                    std::to_string(policy.characters_min) + " other characters");
    }
    estimate.guesses_log10 = std::min(estimate.guesses_log10, rest_log10);
  }
  if (estimate.guesses_log10 >= kGuesses[policy.strength_min]) return OkStatus();
  std::string made_of = estimate.made_of.empty() ? "it is short" : "it has ";
  for (const std::string_view& kind : estimate.made_of) {
    if (&kind != &estimate.made_of.front()) made_of += ", ";
    made_of += kind;
  }
  return Refuse("the password is too easy to guess: " + made_of +
                "; add two or three words that have nothing to do with each other");
}

}  // namespace poplar::app
