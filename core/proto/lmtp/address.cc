#include "core/proto/lmtp/address.h"

#include <arpa/inet.h>
#include <strings.h>

#include "core/base/limits.h"
#include "core/base/utf8.h"

namespace poplar::lmtp {
namespace {

constexpr size_t kDomainBytesMax = 255;  // RFC 5321 §4.5.3.1.2
constexpr size_t kLabelBytesMax = 63;    // RFC 1035 §2.3.4

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsNonAscii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// RFC 5322 §3.2.3, RFC 6532 §3.2.
bool IsAtomText(char c) {
  constexpr std::string_view kOther = "!#$%&'*+-/=?^_`{|}~";
  return IsAlphanumeric(c) || IsNonAscii(c) || kOther.find(c) != std::string_view::npos;
}

bool IsDomainText(char c) { return IsAlphanumeric(c) || IsNonAscii(c) || c == '-' || c == '_'; }

// U+0080 to U+009F, which terminals and logs would obey.
bool HasC1Control(std::string_view utf8) {
  for (size_t i = utf8.find('\xc2'); i != utf8.npos; i = utf8.find('\xc2', i + 1))
    if (static_cast<unsigned char>(utf8[i + 1]) < 0xa0) return true;
  return false;
}

bool IsDomain(std::string_view domain) {
  if (domain.size() > kDomainBytesMax) return false;
  while (true) {
    const size_t dot = domain.find('.');
    const std::string_view label = domain.substr(0, dot);
    if (label.empty() || label.size() > kLabelBytesMax) return false;
    for (const char c : label) {
      if (!IsDomainText(c)) return false;
    }
    if (dot == std::string_view::npos) return true;
    domain.remove_prefix(dot + 1);
  }
}

// `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3); other tags are not in use.
bool IsAddressLiteral(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != '[' || literal.back() != ']') return false;
  const std::string inner(literal.substr(1, literal.size() - 2));
  if (inner.find('\0') != std::string::npos) return false;
  constexpr size_t kTagBytes = 5;
  if (strncasecmp(inner.c_str(), "IPv6:", kTagBytes) == 0) {
    in6_addr address;
    return inet_pton(AF_INET6, inner.c_str() + kTagBytes, &address) == 1;
  }
  in_addr address;
  return inet_pton(AF_INET, inner.c_str(), &address) == 1;
}

// Takes what runs up to one of `stops` off the front of `text`.
std::string_view TakeUntil(std::string_view& text, std::string_view stops) {
  const std::string_view taken = text.substr(0, text.find_first_of(stops));
  text.remove_prefix(taken.size());
  return taken;
}

bool TakeChar(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

bool TakeSourceRoute(std::string_view& text) {
  while (TakeChar(text, '@')) {
    if (!IsDomain(TakeUntil(text, ",:>"))) return false;
    if (TakeChar(text, ':')) return true;
    if (!TakeChar(text, ',')) return false;
  }
  return false;
}

// The content of a quoted string (RFC 5321 §4.1.2), unescaped.
bool TakeQuoted(std::string_view& text, std::string& content) {
  if (!TakeChar(text, '"')) return false;
  while (!text.empty()) {
    if (TakeChar(text, '"')) return true;
    if (TakeChar(text, '\\') && text.empty()) return false;
    const auto c = static_cast<unsigned char>(text.front());
    if (c < 0x20 || c == 0x7f) return false;
    content += text.front();
    text.remove_prefix(1);
  }
  return false;
}

bool TakeAtoms(std::string_view& text, std::string& content) {
  while (!text.empty() && (IsAtomText(text.front()) || text.front() == '.')) {
    content += text.front();
    text.remove_prefix(1);
  }
  return !content.empty();
}

bool NeedsQuotes(std::string_view local) {
  for (const char c : local) {
    if (!IsAtomText(c) && c != '.') return true;
  }
  return local.empty();
}

std::string Quote(std::string_view local) {
  std::string quoted = "\"";
  for (const char c : local) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

bool TakeMailbox(std::string_view& text, Path& path) {
  std::string local;
  const bool taken = text.starts_with('"') ? TakeQuoted(text, local) : TakeAtoms(text, local);
  if (!taken) return false;
  path.address = NeedsQuotes(local) ? Quote(local) : local;
  if (!TakeChar(text, '@')) return true;
  const std::string_view domain = TakeUntil(text, ">");
  if (!IsDomain(domain) && !IsAddressLiteral(domain)) return false;
  path.address.append("@").append(domain);
  path.has_domain = true;
  return true;
}

}  // namespace

PathResult ParsePath(std::string_view& text, Path& path) {
  path = Path();
  std::string_view rest = text;
  if (!TakeChar(rest, '<')) return PathResult::kSyntax;
  const std::string_view inner = rest;
  if (!rest.starts_with('>')) {
    if (rest.starts_with('@') && !TakeSourceRoute(rest)) return PathResult::kSyntax;
    if (!TakeMailbox(rest, path)) return PathResult::kSyntax;
  }
  path.original = inner.substr(0, inner.size() - rest.size());
  if (!TakeChar(rest, '>') || !base::IsUtf8(path.original) || HasC1Control(path.original))
    return PathResult::kSyntax;
  if (path.address.size() > kAddressBytesMax) return PathResult::kTooLong;
  for (const char c : path.original) path.is_ascii = path.is_ascii && !IsNonAscii(c);
  text = rest;
  return PathResult::kOk;
}

bool IsClientName(std::string_view name) {
  for (const char c : name) {
    if (IsNonAscii(c)) return false;
  }
  return IsDomain(name) || IsAddressLiteral(name);
}

std::string AddressLiteral(const base::IpAddress& address) {
  return (address.is_ipv6 ? "[IPv6:" : "[") + address.Text() + "]";
}

Subaddress SplitSubaddress(std::string_view local, char delimiter) {
  if (delimiter == '\0' || local.starts_with('"')) return {local, {}};
  const size_t at = local.find(delimiter);
  if (at == std::string_view::npos || at == 0) return {local, {}};
  return {local.substr(0, at), local.substr(at + 1)};
}

std::string WithoutDetail(std::string_view address, char delimiter) {
  const size_t at = address.rfind('@');
  const std::string_view local = address.substr(0, at);
  std::string result(SplitSubaddress(local, delimiter).user);
  if (at != std::string_view::npos) result.append(address.substr(at));
  return result;
}

}  // namespace poplar::lmtp
