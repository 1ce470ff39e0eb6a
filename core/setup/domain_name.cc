#include "core/setup/domain_name.h"

#include <idn-free.h>
#include <idna.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "core/base/limits.h"
#include "core/base/utf8.h"

namespace poplar::setup {
namespace {

constexpr size_t kDomainBytesMax = 253;
constexpr size_t kLabelBytesMax = 63;

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

bool IsLabel(std::string_view label) {
  return !label.empty() && label.size() <= kLabelBytesMax && label.front() != '-' &&
         label.back() != '-' && std::ranges::all_of(label, [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-';
         });
}

bool IsDomain(std::string_view name) {
  if (name.empty() || name.size() > kDomainBytesMax) return false;
  while (true) {
    const size_t dot = name.find('.');
    if (!IsLabel(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
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
  return IsDomain(name) ? name : "";
}

std::string UnicodeDomain(std::string_view domain) {
  if (domain.size() > kDomainBytesMax || !base::IsUtf8(domain)) return std::string(domain);
  std::string name = Converted(
      domain, [](const char* text, char** out) { return idna_to_unicode_8z8z(text, out, 0); });
  return name.empty() ? std::string(domain) : name;
}

bool IsPublicName(std::string_view host) {
  const std::string name = AsciiDomain(host);
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return false;
  const std::string_view top = std::string_view(name).substr(dot + 1);
  return top != "localhost" && top != "localdomain" && !absl::ascii_isdigit(top.front());
}

MailAddress SplitAddress(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == address.size()) return {};
  if (address.size() > kAddressBytesMax || !base::IsUtf8(address)) return {};
  if (std::ranges::any_of(address, IsBlankOrControl)) return {};
  return {.user = address.substr(0, at), .domain = address.substr(at + 1)};
}

}  // namespace poplar::setup
