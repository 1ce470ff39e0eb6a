#include "core/tenant/login_ways.h"

#include <algorithm>

#include "core/base/login_mechanisms.h"

namespace poplar::tenant {
namespace {

bool IsByToken(std::string_view mechanism) {
  return mechanism == "OAUTHBEARER" || mechanism == "XOAUTH2";
}

// As far as it is known without a back end at hand.
bool Serves(const Config& config, const TenantRules& rules, std::string_view backend,
            std::string_view mechanism) {
  const auto found = std::ranges::find(config.backends, backend, &BackendConfig::name);
  const bool is_built_in = found == config.backends.end();
  // Whoever has no password in clear has nothing for APOP.
  if (mechanism == kApopMechanism) {
    return rules.weak_schemes || (!is_built_in && found->weak_schemes);
  }
  if (!IsByToken(mechanism)) return true;
  return !is_built_in && found->driver == BackendDriver::kPlugin;
}

}  // namespace

std::vector<std::string> ChainOf(const Config& config, const TenantRules& rules) {
  if (rules.auth_chain.empty()) return config.auth.chain;
  std::vector<std::string> chain;
  std::string_view rest = rules.auth_chain;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    chain.emplace_back(name);
  }
  return chain;
}

std::string WhyClosed(const Config& config, const TenantRules& rules, std::string_view mechanism) {
  const std::string name(mechanism);
  if (!rules.mechanisms.Contains(mechanism)) return "the tenant does not allow " + name;
  if (std::ranges::find(config.auth.mechanisms, mechanism) == config.auth.mechanisms.end()) {
    return "auth.mechanisms does not have " + name;
  }
  if (mechanism.ends_with("-PLUS") && !config.tls.enabled()) return name + " needs TLS";
  // A proxy in front may have looked at certificates.
  const bool knows_certificates = (config.tls.enabled() && !config.tls.client_ca.empty()) ||
                                  !config.pop3.proxy_networks.empty();
  if (mechanism == "EXTERNAL" && !knows_certificates) return name + " needs tls.client_ca";
  const bool served = std::ranges::any_of(ChainOf(config, rules), [&](const std::string& backend) {
    return Serves(config, rules, backend, mechanism);
  });
  const std::string chain = rules.auth_chain.empty() ? "auth.chain" : "its auth_chain";
  return served ? "" : "no back end of " + chain + " can serve " + name;
}

std::vector<std::string_view> WaysIn(const Config& config, const TenantRules& rules) {
  std::vector<std::string_view> ways;
  for (const std::string_view mechanism : kLoginMechanisms) {
    if (WhyClosed(config, rules, mechanism).empty()) ways.push_back(mechanism);
  }
  return ways;
}

std::string WhyNobodyLogsIn(const Config& config, const TenantRules& rules) {
  if (!WaysIn(config, rules).empty()) return "";
  const bool allows_all = rules.mechanisms == LoginMechanisms();
  std::string reasons;
  for (const std::string_view mechanism : kLoginMechanisms) {
    // Of a tenant that allows some, why those do not work; of others, what is offered.
    const bool matters = allows_all ? std::ranges::find(config.auth.mechanisms, mechanism) !=
                                          config.auth.mechanisms.end()
                                    : rules.mechanisms.Contains(mechanism);
    if (!matters) continue;
    reasons += (reasons.empty() ? "" : "; ") + WhyClosed(config, rules, mechanism);
  }
  return "nobody can log in: " + reasons;
}

}  // namespace poplar::tenant
