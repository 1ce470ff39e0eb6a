#include "core/proto/pop3/xclient.h"

#include <algorithm>
#include <charconv>

namespace poplar::pop3 {
namespace {

// Whether the word is NAME=value, and if so takes the name off it.
bool TakeName(std::string_view name, std::string_view& word) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : int{c}; };
  const std::string_view head = word.substr(0, name.size());
  const bool has_name = std::equal(head.begin(), head.end(), name.begin(), name.end(),
                                   [&](char a, char b) { return upper(a) == int{b}; });
  if (has_name) word.remove_prefix(name.size());
  return has_name;
}

bool ParsePort(std::string_view text, uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::optional<Xclient> ParseXclient(std::string_view rest) {
  Xclient told;
  while (!rest.empty()) {
    std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    if (TakeName("ADDR=", word)) {
      told.address = base::IpAddress::Parse(word);
      if (!told.address) return std::nullopt;
    } else if (TakeName("PORT=", word)) {
      if (!ParsePort(word, told.port)) return std::nullopt;
    }
  }
  return told;
}

}  // namespace poplar::pop3
