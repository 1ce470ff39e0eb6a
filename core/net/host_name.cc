#include "core/net/host_name.h"

#include <cstddef>
#include <cstdint>

namespace poplar::net {
namespace {

constexpr size_t kNameBytesMax = 253;
constexpr size_t kLabelBytesMax = 63;
constexpr uint8_t kHostNameType = 0;

bool IsLabelOctet(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

size_t Uint16At(std::string_view bytes, size_t at) {
  return static_cast<size_t>(static_cast<uint8_t>(bytes[at])) << 8 |
         static_cast<uint8_t>(bytes[at + 1]);
}

}  // namespace

std::string NormalHostName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kNameBytesMax) return "";
  std::string normal;
  size_t label_bytes = 0;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool ends_label = c == '.' && label_bytes > 0;
    if (!ends_label && !IsLabelOctet(c)) return "";
    label_bytes = ends_label ? 0 : label_bytes + 1;
    if (label_bytes > kLabelBytesMax) return "";
    normal += c;
  }
  return label_bytes > 0 ? normal : "";
}

// ServerNameList: two octets of length, then names, each with its type and two octets of length. No
// type but host_name was ever defined, so the first name is the one.
std::string HostNameInExtension(std::string_view extension) {
  constexpr size_t kListHeadBytes = 2;
  constexpr size_t kNameHeadBytes = 3;
  if (extension.size() < kListHeadBytes + kNameHeadBytes) return "";
  if (Uint16At(extension, 0) != extension.size() - kListHeadBytes) return "";
  if (static_cast<uint8_t>(extension[kListHeadBytes]) != kHostNameType) return "";
  const size_t name_bytes = Uint16At(extension, kListHeadBytes + 1);
  extension.remove_prefix(kListHeadBytes + kNameHeadBytes);
  return name_bytes > extension.size() ? "" : NormalHostName(extension.substr(0, name_bytes));
}

std::string WildcardOf(std::string_view host) {
  const size_t dot = host.find('.');
  return dot == std::string_view::npos ? "" : "_" + std::string(host.substr(dot));
}

}  // namespace poplar::net
