#include "core/setup/domain_name.h"

#include <idn-free.h>
#include <idna.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "core/base/limits.h"
#include "core/base/public_name.h"
#include "core/base/utf8.h"

namespace poplar::setup {
namespace {

constexpr size_t kDomainBytesMax = 253;

// A function of libidn, which gives a string of its own.
template <class Convert>
std::string Converted(std::string_view domain, Convert convert) {
  const std::string text(domain);
  char* out = nullptr;
  if (convert(text.c_str(), &out) != IDNA_SUCCESS) return "";
  std::string result(out);
  idn_free(out);
  return result;
}

bool IsBlankOrControl(char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; }

}  // namespace

std::string AsciiDomain(std::string_view domain) {
  if (domain.size() > kDomainBytesMax || !base::IsUtf8(domain) ||
      domain.find('\0') != std::string_view::npos)
    return "";
  std::string name = Converted(
      domain, [](const char* text, char** out) { return idna_to_ascii_8z(text, out, 0); });
  absl::AsciiStrToLower(&name);
  return base::IsDomainName(name) ? name : "";
}

std::string UnicodeDomain(std::string_view domain) {
  if (domain.size() > kDomainBytesMax || !base::IsUtf8(domain)) return std::string(domain);
  std::string name = Converted(
      domain, [](const char* text, char** out) { return idna_to_unicode_8z8z(text, out, 0); });
  return name.empty() ? std::string(domain) : name;
}

bool IsPublicName(std::string_view host) { return base::IsPublicName(AsciiDomain(host)); }

MailAddress SplitAddress(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == address.size()) return {};
  if (address.size() > kAddressBytesMax || !base::IsUtf8(address)) return {};
  if (std::ranges::any_of(address, IsBlankOrControl)) return {};
  return {.user = address.substr(0, at), .domain = address.substr(at + 1)};
}

}  // namespace poplar::setup
