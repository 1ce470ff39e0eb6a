#include "core/proto/lmtp/xclient.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/proto/lmtp/address.h"
#include "core/proto/lmtp/replies.h"
#include "core/proto/lmtp/xtext.h"

namespace poplar::lmtp {
namespace {

char ToUpper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string Upper(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), ToUpper);
  return upper;
}

bool IsUnavailable(std::string_view value) {
  const std::string word = Upper(value);
  return word == "[UNAVAILABLE]" || word == "[TEMPUNAVAIL]";
}

// The functions below take one value. False: it cannot be.

bool TakeName(std::string_view value, std::optional<std::string>& name) {
  name = IsUnavailable(value) ? "" : value;
  return name->empty() || IsClientName(*name);
}

bool TakeHelo(std::string_view value, std::optional<std::string>& helo) {
  // Whatever a stranger said is no reason to refuse his mail.
  helo = IsClientName(value) ? value : "";
  return true;
}

bool TakeAddress(std::string_view value, std::optional<base::IpAddress>& address) {
  constexpr std::string_view kIpv6Prefix = "IPV6:";
  address.reset();
  if (IsUnavailable(value)) return true;
  const bool prefixed = Upper(value.substr(0, kIpv6Prefix.size())) == kIpv6Prefix;
  if (prefixed) value.remove_prefix(kIpv6Prefix.size());
  if (prefixed && value.find(':') == std::string_view::npos) return false;
  address = base::IpAddress::Parse(value);
  return address.has_value();
}

bool TakePort(std::string_view value, std::optional<uint16_t>& port) {
  uint16_t number = 0;
  port = number;
  if (IsUnavailable(value)) return true;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  port = number;
  return error == std::errc() && end == value.data() + value.size();
}

bool TakeProtocol(std::string_view value) {
  const std::string word = Upper(value);
  return word == "SMTP" || word == "ESMTP" || word == "LMTP";
}

bool TakeLogin(std::string_view value, std::optional<std::string>& login) {
  login = IsUnavailable(value) ? "" : value;
  return true;
}

// In the order of kXclientAttributes.
enum class Attribute : uint8_t {
  kName,
  kAddr,
  kPort,
  kProto,
  kHelo,
  kLogin,
  kDestAddr,
  kDestPort,
  kUnknown,
};
constexpr std::array<std::string_view, 8> kNames = {"NAME", "ADDR",  "PORT",     "PROTO",
                                                    "HELO", "LOGIN", "DESTADDR", "DESTPORT"};

Attribute AttributeOf(std::string_view word) {
  const std::string name = Upper(word.substr(0, word.find('=')));
  return static_cast<Attribute>(std::ranges::find(kNames, name) - kNames.begin());
}

bool Take(Attribute attribute, std::string_view value, Xclient& told) {
  std::optional<base::IpAddress> our_address;
  std::optional<uint16_t> our_port;
  switch (attribute) {
    case Attribute::kName:
      return TakeName(value, told.name);
    case Attribute::kAddr:
      told.tells_address = true;
      return TakeAddress(value, told.address);
    case Attribute::kPort:
      return TakePort(value, told.port);
    case Attribute::kProto:
      return TakeProtocol(value);
    case Attribute::kHelo:
      return TakeHelo(value, told.helo);
    case Attribute::kLogin:
      return TakeLogin(value, told.login);
    case Attribute::kDestAddr:
      return TakeAddress(value, our_address);
    case Attribute::kDestPort:
      return TakePort(value, our_port);
    case Attribute::kUnknown:
      break;
  }
  return false;
}

}  // namespace

std::string_view ParseXclient(std::string_view rest, Xclient& told) {
  told = Xclient();
  if (rest.empty()) return reply::kMissingArgument;
  uint32_t seen = 0;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    const Attribute attribute = AttributeOf(word);
    if (attribute == Attribute::kUnknown) return reply::kUnknownAttribute;
    const uint32_t bit = 1U << static_cast<uint32_t>(attribute);
    if ((std::exchange(seen, seen | bit) & bit) != 0) return reply::kParameterTwice;
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) return reply::kBadAttribute;
    const std::optional<std::string> value = DecodeXtext(word.substr(equals + 1));
    if (!value || value->empty() || !Take(attribute, *value, told)) return reply::kBadAttribute;
  }
  return "";
}

}  // namespace poplar::lmtp
