// What a tenant asks of its users' clients and how much it may use: settings with names, as a
// provider writes them in a file, on the command line or in a table of settings. A tenant can only
// be stricter than the listener that a client came by.
//
// To add one: a member here, a row in tenant_rules.cc. Files, command line, database, JSON and help
// follow from the row. Pure; any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/login_mechanisms.h"
#include "core/base/status.h"

namespace poplar {

inline constexpr std::string_view kNoHost = "none";

struct TenantRules {
  bool pop3 = true;
  bool require_tls = false;
  bool require_tls13 = false;
  uint32_t login_delay_s = 0;  // Between two log-ins of a maildrop (RFC 2449 section 8.1.1).
  uint32_t idle_timeout_s = 0;
  // 0: that of [tenant_limits]; where those have been filled in, no limit.
  uint32_t sessions_max = 0;
  uint32_t sessions_per_address_max = 0;
  uint32_t logins_per_minute = 0;
  uint32_t deliveries_per_minute = 0;
  uint32_t egress_kib_per_s = 0;
  std::optional<std::string> subaddress_delimiter = {};  // None: that of [lmtp].
  // So long after a right log-in the same one lets in while its back ends cannot be asked.
  uint32_t offline_logins_s = 0;
  bool require_app_password = false;
  // Stored passwords of weak schemes count, also where the back end does not say so.
  bool weak_schemes = false;
  LoginMechanisms mechanisms = {};  // Of those that [auth] has, these alone.
  std::string auth_chain = {};      // Names of back ends, with commas; empty: that of [auth].
  // What users who log in without a domain mean: login_domain.h.
  std::string hosts = {};           // With commas.
  std::string default_domain = {};  // Of those hosts; empty: the tenant's only one.
  // What mail programs are told that set themselves up; empty: as [setup].
  std::string pop3_host = {};
  std::string smtp_host = {};  // kNoHost: none is told.

  friend bool operator==(const TenantRules&, const TenantRules&) = default;
};

// What there is to know of one setting.
struct TenantRuleInfo {
  std::string_view name;
  std::string_view type;  // "true or false", "a number from 0 to 86400", ...
  std::string_view help;
  std::string_view default_value;
};
std::span<const TenantRuleInfo> AllTenantRules();

// kNotFound: there is no such setting. kInvalidArgument: what to write instead. "default" brings
// its default back.
Status SetTenantRule(TenantRules& rules, std::string_view name, std::string_view value);

// As SetTenantRule takes it.
std::string TenantRuleText(const TenantRules& rules, std::string_view name);

// Those that are not as they are by default, in the order of AllTenantRules.
std::vector<std::pair<std::string, std::string>> ChangedTenantRules(const TenantRules& rules);

}  // namespace poplar
