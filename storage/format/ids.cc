#include "storage/format/ids.h"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "core/base/limits.h"
#include "storage/format/bytes.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kKeptBit = 1ULL << 63;  // Of the tenant's id in an encoded key.
constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

// Two digits each: a listing writes a UIDL for every message.
constexpr std::array<std::array<char, 2>, 1024> kPairs = [] {
  std::array<std::array<char, 2>, 1024> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kAlphabet[i >> 5], kAlphabet[i & 31]};
  return pairs;
}();

// The lowest 5 * digits bits of `number`, most significant first.
void WriteBase32(uint64_t number, uint32_t digits, char* into) {
  for (; digits >= 2; digits -= 2, number >>= 10) {
    std::memcpy(into + digits - 2, kPairs[number & 1023].data(), 2);
  }
  if (digits == 1) into[0] = kAlphabet[number & 31];
}

std::optional<uint64_t> ReadBase32(std::string_view digits) {
  uint64_t number = 0;
  for (const char digit : digits) {
    const size_t value = std::string_view(kAlphabet).find(digit);
    if (value == std::string_view::npos || number >> 59 != 0) return std::nullopt;
    number = number << 5 | value;
  }
  return number;
}

}  // namespace

std::string PlaceText(Lsn at) {
  char text[32];
  std::snprintf(text, sizeof text, "%08" PRIx32 ":%08" PRIx32, at.segment(), at.offset());
  return text;
}

std::string IdText(uint64_t id) {
  char text[32];
  std::snprintf(text, sizeof text, "%08" PRIx32 "-%" PRIx32, EpochOf(id),
                static_cast<uint32_t>(id));
  return text;
}

void WriteUidl(std::string_view tag, uint32_t partition, MessageId id, char* into) {
  std::memcpy(into, tag.data(), kUidlTagBytes);
  WriteBase32(partition, 2, into + kUidlTagBytes);
  WriteBase32(id.value(), 13, into + kUidlTagBytes + 2);
}

std::optional<MessageId> ReadUidl(std::string_view tag, uint32_t partition, std::string_view uidl) {
  if (uidl.size() != kOwnUidlBytes || !uidl.starts_with(tag)) return std::nullopt;
  const auto home = ReadBase32(uidl.substr(kUidlTagBytes, 2));
  const auto id = ReadBase32(uidl.substr(kUidlTagBytes + 2));
  if (home != partition || !id.has_value()) return std::nullopt;
  return MessageId(*id);
}

void WriteUidlTag(uint64_t random, char* into) { WriteBase32(random, kUidlTagBytes, into); }

bool ValidKey(const MaildropKey& key) {
  return !key.account.empty() && key.account.size() <= kAccountIdBytesMax &&
         (key.tenant.value() & kKeptBit) == 0;
}

std::string EncodeMaildropKey(const MaildropKey& key) {
  std::string encoded;
  encoded.reserve(sizeof(uint64_t) + 1 + key.account.size());
  AppendBe64(encoded, key.tenant.value());
  encoded.push_back(static_cast<char>(key.account.size()));
  encoded += key.account;
  return encoded;
}

MaildropKey DecodeMaildropKey(std::string_view encoded) {
  constexpr size_t kFixed = sizeof(uint64_t) + 1;
  if (encoded.size() <= kFixed || encoded.size() > kFixed + kAccountIdBytesMax) return {};
  if (static_cast<unsigned char>(encoded[kFixed - 1]) != encoded.size() - kFixed) return {};
  return {TenantId(LoadBe64(encoded.data()) & ~kKeptBit), std::string(encoded.substr(kFixed))};
}

std::string KeptKeyOf(std::string_view encoded) {
  std::string key(encoded);
  key[0] = static_cast<char>(key[0] | kKeptBit >> 56);
  return key;
}

bool IsKeptKey(std::string_view encoded) {
  return !encoded.empty() && (static_cast<unsigned char>(encoded[0]) & kKeptBit >> 56) != 0;
}

}  // namespace poplar::storage
