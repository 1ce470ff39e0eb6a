#include "core/base/tenant_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <variant>

#include "core/base/check.h"
#include "core/base/public_name.h"

namespace poplar {
namespace {

struct Flag {
  bool TenantRules::* member;
};
struct Number {
  uint32_t TenantRules::* member;
  uint32_t max;
};
struct Delimiter {
  std::optional<std::string> TenantRules::* member;
};

struct Names {
  std::string TenantRules::* member;
  bool (*allows)(char c);  // Beside letters and digits.
  size_t bytes_max = 1000;
};

// A host that programs of the tenant's users are sent to.
struct Host {
  std::string TenantRules::* member;
  bool may_be_none = false;
};

struct Mechanisms {
  LoginMechanisms TenantRules::* member;
};

struct Row {
  TenantRuleInfo info;
  std::variant<Flag, Number, Delimiter, Names, Host, Mechanisms> form;
};

using R = TenantRules;
constexpr uint32_t kManyMax = 10'000'000;
constexpr std::string_view kMany = "a number up to 10000000, 0: as [tenant_limits]";
constexpr std::string_view kUpperCase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kTruth = "true or false";

bool IsOfBackends(char c) { return c == '_' || c == '-' || c == ','; }
bool IsOfHosts(char c) { return c == '.' || c == '-' || c == '_' || c == ','; }
// As users' addresses have it: UTF-8 is taken as it comes.
bool IsOfDomain(char c) { return c == '.' || c == '-' || static_cast<unsigned char>(c) >= 0x80; }

constexpr std::array<Row, 20> kRows = {{
    {{"pop3", kTruth, "Its users may fetch mail; false: mail only comes in", "true"},
     Flag{&R::pop3}},
    {{"require_tls", kTruth, "No log-in without TLS, from loopback neither", "false"},
     Flag{&R::require_tls}},
    {{"require_tls13", kTruth, "No log-in by an older TLS than 1.3, nor without", "false"},
     Flag{&R::require_tls13}},
    {{"login_delay_s", "seconds up to 86400, 0: none",
      "The least time between two log-ins of one maildrop; clients are told (LOGIN-DELAY)", "0"},
     Number{&R::login_delay_s, 86'400}},
    {{"idle_timeout_s", "seconds up to 86400, 0: as [pop3]",
      "A session ends after so long a silence, where [pop3] does not end it before", "0"},
     Number{&R::idle_timeout_s, 86'400}},
    {{"sessions_max", kMany, "Sessions of all its users at once", "0"},
     Number{&R::sessions_max, kManyMax}},
    {{"sessions_per_address_max", kMany, "Of them, from one IPv4 address or IPv6 /64", "0"},
     Number{&R::sessions_per_address_max, kManyMax}},
    {{"logins_per_minute", kMany, "Log-ins of all its users; those beyond are told to come later",
      "0"},
     Number{&R::logins_per_minute, kManyMax}},
    {{"deliveries_per_minute", kMany,
      "Recipients of mail that comes in; those beyond are told to come later (451)", "0"},
     Number{&R::deliveries_per_minute, kManyMax}},
    {{"egress_kib_per_s", "KiB a second up to 100000000, 0: as [tenant_limits]",
      "Mail that is fetched, of all its sessions together; what is beyond it waits", "0"},
     Number{&R::egress_kib_per_s, 100'000'000}},
    {{"subaddress_delimiter",
      "one character that is no letter or digit, or none: addresses are taken as they are",
      "What ends the name in alice+shop@; \"default\": as [lmtp]", "default"},
     Delimiter{&R::subaddress_delimiter}},
    {{"offline_logins_s", "seconds up to 86400, 0: none",
      "So long after a log-in its password lets in while the back ends cannot be asked", "0"},
     Number{&R::offline_logins_s, 86'400}},
    {{"require_app_password", kTruth,
      "Users of the built-in database log in by app passwords, not by their own", "false"},
     Flag{&R::require_app_password}},
    {{"weak_schemes", kTruth,
      "Stored passwords of weak schemes ({SSHA}, {PLAIN}) may be used, wherever they are", "false"},
     Flag{&R::weak_schemes}},
    {{"mechanisms",
      "names with commas, of USER, APOP, PLAIN, LOGIN, SCRAM-SHA-256, SCRAM-SHA-1, either with "
      "-PLUS, EXTERNAL, OAUTHBEARER, XOAUTH2",
      "How its users may log in, of what [auth] offers; \"default\": by all of it", ""},
     Mechanisms{&R::mechanisms}},
    {{"auth_chain", "names of back ends with commas, like users,ldap",
      "The back ends of its users, in order; \"default\": as [auth]", ""},
     Names{&R::auth_chain, IsOfBackends}},
    {{"hosts", "host names with commas, in lower case, like pop.acme.example,mail.acme.example",
      "Users of default_domain who come to these hosts by TLS may leave their domain out", ""},
     Names{&R::hosts, IsOfHosts, 10'000}},
    {{"default_domain", "a domain in lower case, like acme.example",
      "The domain that may be left out there; \"default\": the only one that the tenant has", ""},
     Names{&R::default_domain, IsOfDomain, 255}},
    {{"pop3_host", "a host name that DNS has, in lower case, like pop.acme.example",
      "Where mail programs that set themselves up fetch mail; \"default\": as [setup]", ""},
     Host{&R::pop3_host}},
    {{"smtp_host", "a host name that DNS has, in lower case, like smtp.acme.example, or none",
      "Where they send it; none: they are not told of any; \"default\": as [setup]", ""},
     Host{&R::smtp_host, /*may_be_none=*/true}},
}};

constexpr auto kInfos = [] {
  std::array<TenantRuleInfo, kRows.size()> infos{};
  for (size_t i = 0; i < kRows.size(); ++i) infos[i] = kRows[i].info;
  return infos;
}();

const Row* Find(std::string_view name) {
  const auto* found = std::find_if(kRows.begin(), kRows.end(),
                                   [name](const Row& row) { return row.info.name == name; });
  return found == kRows.end() ? nullptr : found;
}

Status Wrong(const Row& row, std::string_view value) {
  return MakeStatus(StatusCode::kInvalidArgument, std::string(row.info.name) + ": \"" +
                                                      std::string(value) + "\" is not " +
                                                      std::string(row.info.type));
}

bool Parse(const Flag& form, std::string_view value, TenantRules& rules) {
  rules.*form.member = value == "true";
  return value == "true" || value == "false";
}

bool Parse(const Number& form, std::string_view value, TenantRules& rules) {
  uint32_t number = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == value.data() + value.size();
  rules.*form.member = number;
  return whole && number <= form.max;
}

bool Parse(const Delimiter& form, std::string_view value, TenantRules& rules) {
  rules.*form.member = std::string(value);
  constexpr std::string_view kAllowed = "!#$%&'*+-./=?^_`{|}~";
  return value.empty() ||
         (value.size() == 1 && kAllowed.find(value.front()) != std::string_view::npos);
}

bool Parse(const Names& form, std::string_view value, TenantRules& rules) {
  rules.*form.member = std::string(value);
  const bool allowed = std::all_of(value.begin(), value.end(), [&form](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || form.allows(c);
  });
  return allowed && value.size() <= form.bytes_max && !value.starts_with(',') &&
         !value.ends_with(',') && value.find(",,") == std::string_view::npos;
}

bool Parse(const Host& form, std::string_view value, TenantRules& rules) {
  rules.*form.member = std::string(value);
  const bool lower = value.find_first_of(kUpperCase) == std::string_view::npos;
  return value.empty() || (form.may_be_none && value == kNoHost) ||
         (lower && base::IsPublicName(value));
}

bool Parse(const Mechanisms& form, std::string_view value, TenantRules& rules) {
  const std::optional<LoginMechanisms> parsed = LoginMechanisms::Parse(value);
  if (parsed) rules.*form.member = *parsed;
  return parsed.has_value();
}

std::string Text(const Flag& form, const TenantRules& rules) {
  return rules.*form.member ? "true" : "false";
}
std::string Text(const Number& form, const TenantRules& rules) {
  return std::to_string(rules.*form.member);
}
std::string Text(const Names& form, const TenantRules& rules) { return rules.*form.member; }
std::string Text(const Host& form, const TenantRules& rules) { return rules.*form.member; }
std::string Text(const Mechanisms& form, const TenantRules& rules) {
  return (rules.*form.member).Text();
}
std::string Text(const Delimiter& form, const TenantRules& rules) {
  return (rules.*form.member).value_or("default");
}

std::string TextOf(const Row& row, const TenantRules& rules) {
  return std::visit([&](const auto& form) { return Text(form, rules); }, row.form);
}

}  // namespace

std::span<const TenantRuleInfo> AllTenantRules() { return kInfos; }

Status SetTenantRule(TenantRules& rules, std::string_view name, std::string_view value) {
  const Row* const row = Find(name);
  if (row == nullptr) {
    return MakeStatus(StatusCode::kNotFound,
                      "there is no setting \"" + std::string(name) + "\" of a tenant");
  }
  if (value == "default") {
    std::visit([&](const auto& form) { rules.*form.member = TenantRules().*form.member; },
               row->form);
    return OkStatus();
  }
  TenantRules changed = rules;
  const bool fits =
      std::visit([&](const auto& form) { return Parse(form, value, changed); }, row->form);
  if (!fits) return Wrong(*row, value);
  rules = std::move(changed);
  return OkStatus();
}

std::string TenantRuleText(const TenantRules& rules, std::string_view name) {
  const Row* const row = Find(name);
  POP_CHECK(row != nullptr);
  return TextOf(*row, rules);
}

std::vector<std::pair<std::string, std::string>> ChangedTenantRules(const TenantRules& rules) {
  std::vector<std::pair<std::string, std::string>> changed;
  for (const Row& row : kRows) {
    std::string text = TextOf(row, rules);
    if (text != row.info.default_value) changed.emplace_back(row.info.name, std::move(text));
  }
  return changed;
}

}  // namespace poplar
