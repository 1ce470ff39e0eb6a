#include "auth/users/address.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/base/limits.h"
#include "core/base/utf8.h"

namespace poplar::auth {
namespace {

constexpr size_t kLocalPartBytesMax = 64;  // RFC 5321 §4.5.3.1.1.
constexpr size_t kDomainBytesMax = 255;    // RFC 5321 §4.5.3.1.2.
constexpr size_t kLabelBytesMax = 63;      // RFC 1035 §2.3.4.

char LowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (LowerAscii(c) >= 'a' && LowerAscii(c) <= 'z');
}

bool IsUtf8Byte(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// RFC 5321 §4.1.2 atext (by RFC 5322 §3.2.3), and RFC 6531's UTF-8.
bool IsAtomByte(char c) {
  return IsAlphanumeric(c) || IsUtf8Byte(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos);
}

// Calls `valid` with every piece between dots; false when one is empty or refused.
template <class Valid>
bool AllPieces(std::string_view text, Valid valid) {
  for (;;) {
    const size_t dot = text.find('.');
    const std::string_view piece = text.substr(0, dot);
    if (piece.empty() || !valid(piece)) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool IsAtom(std::string_view piece) {
  for (const char c : piece) {
    if (!IsAtomByte(c)) return false;
  }
  return true;
}

bool IsLabel(std::string_view piece) {
  if (piece.size() > kLabelBytesMax || piece.front() == '-' || piece.back() == '-') return false;
  for (const char c : piece) {
    if (!IsAlphanumeric(c) && c != '-' && !IsUtf8Byte(c)) return false;
  }
  return true;
}

struct Points {
  uint32_t first, last;
};
// Of Unicode 15 what is White_Space, a control character or Default_Ignorable_Code_Point, in order.
constexpr std::array kUnseen = {
    Points{0x00, 0x20},       Points{0x7F, 0xA0},       Points{0xAD, 0xAD},
    Points{0x34F, 0x34F},     Points{0x61C, 0x61C},     Points{0x115F, 0x1160},
    Points{0x1680, 0x1680},   Points{0x17B4, 0x17B5},   Points{0x180B, 0x180F},
    Points{0x2000, 0x200F},   Points{0x2028, 0x202F},   Points{0x205F, 0x206F},
    Points{0x3000, 0x3000},   Points{0x3164, 0x3164},   Points{0xFE00, 0xFE0F},
    Points{0xFEFF, 0xFEFF},   Points{0xFFA0, 0xFFA0},   Points{0xFFF0, 0xFFFB},
    Points{0x1BCA0, 0x1BCA3}, Points{0x1D173, 0x1D17A}, Points{0xE0000, 0xE0FFF},
};

bool IsSeen(base::Utf8Character character) {
  const auto range = std::ranges::lower_bound(kUnseen, character.point, {}, &Points::last);
  return range == kUnseen.end() || character.point < range->first;
}

Status Invalid(std::string_view text) { return MakeStatus(StatusCode::kInvalidArgument, text); }

}  // namespace

bool IsLoginName(std::string_view name) {
  if (name.empty() || name.size() > kAddressBytesMax) return false;
  while (!name.empty()) {
    const base::Utf8Character first = base::FirstUtf8(name);
    if (first.bytes == 0 || !IsSeen(first)) return false;
    name.remove_prefix(first.bytes);
  }
  return true;
}

std::string LookupKey(std::string_view login) {
  std::string key(login);
  for (char& c : key) c = LowerAscii(c);
  return key;
}

StatusOr<std::string> ParseDomain(std::string_view text) {
  if (text.empty()) return Invalid("the domain is empty");
  if (text.size() > kDomainBytesMax) return Invalid("the domain is longer than 255 octets");
  if (!base::IsUtf8(text) || !AllPieces(text, IsLabel)) {
    return Invalid("that is no domain name; one looks like example.org");
  }
  return LookupKey(text);
}

StatusOr<Address> ParseAddress(std::string_view text) {
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos) {
    return Invalid("that is no address: it has no @; one looks like alice@example.org");
  }
  const std::string_view local = text.substr(0, at);
  if (local.empty()) return Invalid("nothing stands before the @ of the address");
  if (local.size() > kLocalPartBytesMax) {
    return Invalid("more than 64 octets stand before the @ of the address");
  }
  if (!base::IsUtf8(local) || !AllPieces(local, IsAtom)) {
    return Invalid(
        "the part before the @ may hold letters, digits, UTF-8, !#$%&'*+-/=?^_`{|}~ and single "
        "dots between them");
  }
  POP_ASSIGN_OR_RETURN(std::string domain, ParseDomain(text.substr(at + 1)));
  if (!IsLoginName(text)) {
    return Invalid("the address holds blanks, or other characters that cannot be seen");
  }
  Address address;
  address.spelled.append(local).append("@").append(domain);
  address.key = LookupKey(address.spelled);
  address.domain = std::move(domain);
  static_assert(kLocalPartBytesMax + 1 + kDomainBytesMax <= kAddressBytesMax);
  return address;
}

}  // namespace poplar::auth
