#include "core/base/public_name.h"

#include <algorithm>
#include <cstddef>

namespace poplar::base {
namespace {

constexpr size_t kNameBytesMax = 253;
constexpr size_t kLabelBytesMax = 63;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsLabel(std::string_view label) {
  return !label.empty() && label.size() <= kLabelBytesMax && label.front() != '-' &&
         label.back() != '-' && std::ranges::all_of(label, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '-';
         });
}

}  // namespace

bool IsDomainName(std::string_view name) {
  if (name.size() > kNameBytesMax) return false;
  while (true) {
    const size_t dot = name.find('.');
    if (!IsLabel(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool IsPublicName(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || !IsDomainName(name)) return false;
  const std::string_view top = name.substr(dot + 1);
  return top != "localhost" && top != "localdomain" && !IsDigit(top.front());
}

}  // namespace poplar::base
