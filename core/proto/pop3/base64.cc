#include "core/proto/pop3/base64.h"

#include <array>
#include <cstdint>

#include "core/base/check.h"
#include "core/base/limits.h"

namespace poplar::pop3 {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNoDigit = 0xFF;

constexpr std::array<uint8_t, 256> kDigits = [] {
  std::array<uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  }
  return digits;
}();

// Decodes digits without their padding. Returns how many bytes, or -1.
ptrdiff_t DecodeDigits(std::string_view digits, char* bytes) {
  char* at = bytes;
  uint32_t bits = 0;
  uint32_t bit_count = 0;
  for (const char digit : digits) {
    const uint8_t value = kDigits[static_cast<uint8_t>(digit)];
    if (value == kNoDigit) return -1;
    bits = bits << 6 | value;
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      *at++ = static_cast<char>(bits >> bit_count);
      bits &= (1U << bit_count) - 1;
    }
  }
  return bits == 0 ? at - bytes : -1;  // What is left over must be zero (RFC 4648 §3.5).
}

}  // namespace

void AppendBase64(std::string_view bytes, base::ByteBuffer& out) {
  char* const begin = out.Tail((bytes.size() + 2) / 3 * 4).data();
  char* at = begin;
  while (!bytes.empty()) {
    const size_t taken = bytes.size() < 3 ? bytes.size() : 3;
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < taken ? static_cast<uint8_t>(bytes[i]) : 0);
    }
    for (size_t i = 0; i < 4; ++i) {
      *at++ = i <= taken ? kAlphabet[bits >> (18 - 6 * i) & 0x3F] : '=';
    }
    bytes.remove_prefix(taken);
  }
  out.Extend(static_cast<size_t>(at - begin));
}

bool DecodeBase64(std::string_view text, base::Secret& bytes) {
  POP_CHECK(text.size() <= kSaslLineBytesMax);
  if (text.size() % 4 != 0) return false;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::array<char, size_t{kSaslLineBytesMax} / 4 * 3> decoded;
  const ptrdiff_t size = DecodeDigits(text, decoded.data());
  if (size >= 0) bytes = base::Secret({decoded.data(), static_cast<size_t>(size)});
  base::Wipe(decoded.data(), text.size() * 3 / 4);
  return size >= 0;
}

}  // namespace poplar::pop3
