#include "core/app/transfer/mailbox_source.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/base/limits.h"

namespace poplar::app {
namespace {

std::string HashText(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  std::array<char, 34> digits;
  std::snprintf(digits.data(), digits.size(), "p%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return digits.data();
}

}  // namespace

std::string_view Name(UidlFate fate) {
  constexpr std::array<std::string_view, kUidlFates> kNames = {"kept", "unknown", "duplicate",
                                                               "too_long", "bad_octets"};
  return kNames[static_cast<size_t>(fate)];
}

UidlFate FateOf(std::string_view uidl) {
  if (uidl.empty()) return UidlFate::kUnknown;
  if (uidl.size() > kUidlBytesMax) return UidlFate::kTooLong;
  const bool sound =
      std::all_of(uidl.begin(), uidl.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  return sound ? UidlFate::kKept : UidlFate::kBadOctets;
}

std::string UidlOfName(std::string_view stable_name, uint32_t copy) {
  if (FateOf(stable_name) == UidlFate::kKept) {
    if (copy == 0) return std::string(stable_name);
    --copy;
  }
  const std::string made = HashText(stable_name);
  return copy == 0 ? made : made + "-" + std::to_string(copy + 1);
}

bool UidlGiver::Claim(std::string uidl, SourceMessage& message) {
  if (!taken_.insert(uidl).second) return false;
  message.uidl = std::move(uidl);
  return true;
}

void UidlGiver::Give(std::string_view old_uidl, std::string_view stable_name,
                     SourceMessage& message) {
  message.fate = FateOf(old_uidl);
  if (message.fate == UidlFate::kKept) {
    if (Claim(std::string(old_uidl), message)) return;
    message.fate = UidlFate::kDuplicate;
  }
  uint32_t& copy = copies_[std::string(stable_name)];
  while (!Claim(UidlOfName(stable_name, copy++), message)) {
  }
}

}  // namespace poplar::app
