#include "auth/files/passwd_file.h"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "auth/users/address.h"
#include "core/base/ip.h"
#include "core/base/limits.h"

namespace poplar::auth {
namespace {

constexpr size_t kPasswordField = 1;
constexpr size_t kExtraField = 7;
constexpr std::string_view kLocal = "local";  // In the place of a network.

// Up to `separator`, taken off with it.
std::string_view Take(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

// "100", "100M" in units of `unit` where none is written (Dovecot: octets for bytes=, KiB for
// storage=). 0 is no limit there as here.
std::optional<uint64_t> ParseAmount(std::string_view text, uint64_t unit) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return std::nullopt;
  const std::string_view suffix(parsed.ptr, text.data() + text.size() - parsed.ptr);
  if (!suffix.empty()) {
    constexpr std::string_view kUnits = "bkmgt";
    const char first = static_cast<char>(suffix[0] | 0x20);
    const size_t power = suffix.size() > 2 ? std::string_view::npos : kUnits.find(first);
    if (power == std::string_view::npos) return std::nullopt;
    unit = uint64_t{1} << (10 * power);
  }
  if (number > std::numeric_limits<int64_t>::max() / unit) return std::nullopt;
  return number * unit;
}

// "*:storage=1G:messages=1000". Rules of other mailboxes than all are none of ours.
bool TakeQuotaRule(std::string_view rule, UserQuota& quota) {
  if (Take(rule, ':') != "*") return true;
  while (!rule.empty()) {
    std::string_view limit = Take(rule, ':');
    const std::string_view name = Take(limit, '=');
    if (name == "bytes" || name == "storage") {
      quota.octets = ParseAmount(limit, name == "bytes" ? 1 : 1024);
      if (!quota.octets.has_value()) return false;
    } else if (name == "messages") {
      quota.messages = ParseAmount(limit, 1);
      if (!quota.messages.has_value()) return false;
    }
  }
  return true;
}

// As Dovecot has them: "127.0.0.0/8,192.0.2.7,local". Nobody comes to this server by what it calls
// local, a socket of the machine's.
bool AreNetworks(std::string_view list) {
  while (!list.empty()) {
    const std::string_view network = Take(list, ',');
    if (network != kLocal && !base::IpNetwork::Parse(network).ok()) return false;
  }
  return true;
}

// Empty, or what is wrong.
std::string_view TakeExtra(std::string_view extra, PasswdUser& user) {
  while (!extra.empty()) {
    std::string_view value = Take(extra, ' ');
    const std::string_view key = Take(value, '=');
    if (key == "userdb_quota_rule" && !TakeQuotaRule(value, user.quota)) {
      return "the quota rule is not understood";
    }
    if (key == "nologin") user.disabled = true;
    // Nothing is nobody, not everybody.
    if (key == "allow_nets") user.networks = value.empty() ? kLocal : value;
    if (key != "poplar_account") continue;
    if (value.empty() || value.size() > kAccountIdBytesMax) {
      return "poplar_account has 1 to 128 octets";
    }
    user.account = value;
  }
  return "";
}

// The same.
std::string_view TakeLine(std::string_view line, std::string_view default_domain,
                          PasswdUsers& users) {
  std::array<std::string_view, kExtraField> fields;
  for (std::string_view& field : fields) field = Take(line, ':');
  std::string login = LookupKey(fields[0]);
  if (login.find('@') == std::string::npos && !default_domain.empty()) {
    login += "@" + LookupKey(default_domain);
  }
  if (login.empty() || login[0] == '@' || login.size() > kAddressBytesMax ||
      login.find('@') == std::string::npos) {
    return "no address, and no default domain";
  }
  PasswdUser user;
  user.account = login.substr(0, kAccountIdBytesMax);
  if (user.account != login) return "an address of more than 128 octets wants a poplar_account";
  const std::string_view password = fields[kPasswordField];
  user.locked = password.starts_with('!') || password.starts_with('*');
  if (!user.locked) user.stored_password = password;
  const std::string_view fault = TakeExtra(line, user);
  if (!fault.empty()) return fault;
  const bool has_networks = AreNetworks(user.networks);
  if (!users.by_login.emplace(std::move(login), std::move(user)).second) {
    return "the user is there twice";
  }
  return has_networks ? "" : "allow_nets has what is no network; nobody is let in from there";
}

}  // namespace

PasswdUsers ParsePasswdFile(std::string_view text, std::string_view default_domain) {
  PasswdUsers users;
  users.ends_with_line = text.empty() || text.ends_with('\n');
  for (uint64_t number = 1; !text.empty(); ++number) {
    std::string_view line = Take(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line[0] == '#') continue;
    const std::string_view fault = TakeLine(line, default_domain, users);
    if (fault.empty()) continue;
    if (users.lines_refused++ == 0) {
      users.first_fault = "line " + std::to_string(number) + ": " + std::string(fault);
    }
  }
  return users;
}

}  // namespace poplar::auth
