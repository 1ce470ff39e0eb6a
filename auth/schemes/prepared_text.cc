#include "auth/schemes/prepared_text.h"

#include <idn-free.h>
#include <stringprep.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace poplar::auth {
namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Nameprep but for what it forbids: what a name must not hold, others say.
std::vector<Stringprep_profile> NameprepsMaps() {
  std::vector<Stringprep_profile> maps;
  for (const Stringprep_profile* step = stringprep_nameprep; step->operation != 0; ++step) {
    const bool maps_it =
        step->operation == STRINGPREP_MAP_TABLE || step->operation == STRINGPREP_NFKC;
    if (maps_it) maps.push_back(*step);
  }
  maps.emplace_back();  // The end, to libidn.
  return maps;
}

// One character of NFKC may become eleven times as many octets (U+FDFA).
constexpr size_t kFoldedGrowthMax = 16;

}  // namespace

std::optional<base::Secret> SaslPrep(std::string_view text) {
  // It maps nothing of ASCII, and forbids control characters (RFC 4013 §2.3).
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (IsAscii(text)) {
    const bool forbidden =
        std::any_of(text.begin(), text.end(), [](char c) { return c < 0x20 || c == 0x7F; });
    return forbidden ? std::nullopt : std::optional(base::Secret(text));
  }
  // libidn wants a NUL behind it.
  std::string copy(text);
  char* prepared = nullptr;
  const int result =
      stringprep_profile(copy.c_str(), &prepared, "SASLprep", Stringprep_profile_flags{});
  base::Wipe(copy.data(), copy.size());
  if (result != STRINGPREP_OK || prepared == nullptr) return std::nullopt;
  const size_t bytes = std::strlen(prepared);
  base::Secret secret({prepared, bytes});
  base::Wipe(prepared, bytes);
  idn_free(prepared);
  return secret;
}

std::string FoldName(std::string_view name) {
  if (IsAscii(name) || name.find('\0') != std::string_view::npos) return std::string(name);
  static const std::vector<Stringprep_profile> kMaps = NameprepsMaps();
  std::string folded(name.size() * kFoldedGrowthMax, '\0');
  std::ranges::copy(name, folded.begin());
  const int result =
      stringprep(folded.data(), folded.size(), Stringprep_profile_flags{}, kMaps.data());
  return result == STRINGPREP_OK ? std::string(folded.c_str()) : std::string(name);
}

}  // namespace poplar::auth
