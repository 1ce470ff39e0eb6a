#include "core/setup/mail_settings.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "core/server/settings.h"
#include "core/setup/domain_name.h"

namespace poplar::setup {
namespace {

uint16_t PortOf(uint32_t told, const std::vector<tenant::ListenAddress>& listen, bool tls) {
  if (told != 0) return static_cast<uint16_t>(told);
  return tls && !listen.empty() ? listen.front().port : 0;
}

// Nothing: no way to log in is left.
std::optional<Authentication> AuthenticationBy(const LoginMechanisms& ways) {
  struct Way {
    std::string_view name;
    Authentication authentication;
  };
  constexpr std::array<Way, 11> kWays = {{
      {"USER", Authentication::kPassword},
      {"PLAIN", Authentication::kPassword},
      {"LOGIN", Authentication::kPassword},
      {"APOP", Authentication::kApop},
      {"XOAUTH2", Authentication::kOAuth},
      {"OAUTHBEARER", Authentication::kOAuth},
      {"EXTERNAL", Authentication::kCertificate},
      {"SCRAM-SHA-256-PLUS", Authentication::kScram},
      {"SCRAM-SHA-256", Authentication::kScram},
      {"SCRAM-SHA-1-PLUS", Authentication::kScram},
      {"SCRAM-SHA-1", Authentication::kScram},
  }};
  static_assert(kWays.size() == kLoginMechanisms.size());
  const auto* const way =
      std::ranges::find_if(kWays, [&](const Way& one) { return ways.Contains(one.name); });
  if (way == kWays.end()) return std::nullopt;
  return way->authentication;
}

const std::string& FirstOf(const std::string& first, const std::string& second) {
  return first.empty() ? second : first;
}

}  // namespace

SetupFacts FactsOf(const tenant::Config& config) {
  const tenant::SetupConfig& setup = config.setup;
  const std::string hostname = server::HostName(config);
  SetupFacts facts;
  facts.pop3_host = FirstOf(setup.pop3_host, hostname);
  facts.pop3s_port = PortOf(setup.pop3s_port, config.pop3s.listen, config.tls.enabled());
  facts.stls_port = PortOf(setup.pop3_port, config.pop3.listen, config.tls.enabled());
  facts.smtp_host = setup.smtp_host;
  facts.smtp_port = static_cast<uint16_t>(setup.smtp_port);
  facts.smtp_starttls = setup.smtp_starttls;
  facts.page_host = setup.listen.empty() ? setup.host : FirstOf(setup.host, hostname);
  facts.mechanisms = LoginMechanisms::None();
  for (const std::string& name : config.auth.mechanisms) facts.mechanisms.Add(name);
  return facts;
}

std::string LostHost::Why() const {
  return "mail programs elsewhere find nothing by the name \"" + host +
         "\": write one there that DNS has, like pop.example.org";
}

std::vector<LostHost> LostHostsOf(const SetupFacts& facts) {
  std::vector<LostHost> lost;
  const auto look = [&lost](std::string_view setting, const std::string& host) {
    if (!host.empty() && !IsPublicName(host)) lost.push_back({setting, host});
  };
  look("setup.pop3_host", facts.pop3_host);
  look("setup.smtp_host", facts.smtp_host);
  look("setup.host", facts.page_host);
  return lost;
}

std::optional<MailSettings> SettingsOf(const SetupFacts& facts, const TenantRules& rules,
                                       std::string_view domain) {
  MailSettings settings;
  settings.domain = AsciiDomain(domain);
  if (!rules.pop3 || settings.domain.empty()) return std::nullopt;
  const std::string& pop3_host = FirstOf(rules.pop3_host, facts.pop3_host);
  if (facts.pop3s_port != 0) settings.pop3.push_back({pop3_host, facts.pop3s_port, false});
  if (facts.stls_port != 0) settings.pop3.push_back({pop3_host, facts.stls_port, true});
  if (settings.pop3.empty()) return std::nullopt;
  const std::string& smtp_host = FirstOf(rules.smtp_host, facts.smtp_host);
  if (!smtp_host.empty() && smtp_host != kNoHost) {
    settings.smtp = MailServer{smtp_host, facts.smtp_port, facts.smtp_starttls};
  }
  const auto authentication = AuthenticationBy(facts.mechanisms & rules.mechanisms);
  if (!authentication) return std::nullopt;
  settings.authentication = *authentication;
  return settings;
}

const TenantPolicies::Domain* OwnerOf(const TenantPolicies& policies, std::string_view domain) {
  std::string asked(domain);
  absl::AsciiStrToLower(&asked);
  const TenantPolicies::Domain* const owner = policies.OfDomain(asked);
  return owner != nullptr ? owner : policies.OfDomain(UnicodeDomain(asked));
}

std::optional<MailSettings> SettingsOfDomain(const SetupFacts& facts,
                                             const TenantPolicies& policies,
                                             std::string_view domain) {
  const TenantPolicies::Domain* const owner = OwnerOf(policies, domain);
  if (owner == nullptr) return std::nullopt;
  return SettingsOf(facts, policies.Of(owner->tenant).rules, domain);
}

}  // namespace poplar::setup
