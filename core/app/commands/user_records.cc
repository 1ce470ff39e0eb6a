#include "core/app/commands/user_records.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/tenant/login_ways.h"

namespace poplar::app {
namespace {

template <class Number>
nlohmann::json OrNull(const std::optional<Number>& number) {
  return number.has_value() ? nlohmann::json(*number) : nlohmann::json();
}

// Whether what is stored of a user's password are keys for this SCRAM mechanism.
bool Fits(const auth::UserRecord& user, std::string_view mechanism) {
  return user.scheme == (mechanism.starts_with("SCRAM-SHA-256") ? "scram-sha-256" : "scram-sha-1");
}

}  // namespace

StatusOr<std::unique_ptr<auth::UserDatabase>> OpenUsers(const tenant::Config& config) {
  auto users = auth::UserDatabase::Open(config.users.database);
  if (users.status().code() != StatusCode::kNotFound) return users;
  return MakeStatus(StatusCode::kFailedPrecondition,
                    "there is no user database at " + config.users.database +
                        "; make one with `poplar init DIR`, where DIR holds poplar.toml");
}

StatusOr<TenantPolicies> PoliciesOf(const tenant::Config& config) {
  POP_ASSIGN_OR_RETURN(const auto users, OpenUsers(config));
  POP_ASSIGN_OR_RETURN(std::optional<TenantPolicies> policies, users->TakePolicies());
  return policies ? std::move(*policies) : TenantPolicies();
}

ExitCode FailUsers(Console& console, const Status& why) {
  const bool misnamed = why.code() == StatusCode::kFailedPrecondition;
  return Fail(console, misnamed ? ExitCode::kConfig : ExitCodeOf(why), Message(why));
}

StatusOr<std::string> WhyNobodyLogsIn(const tenant::Config& config,
                                      const auth::TenantRecord& tenant, auth::UserDatabase& users) {
  const TenantRules& rules = tenant.policy.rules;
  if (!tenant.enabled || !rules.pop3) return std::string();
  std::string why = tenant::WhyNobodyLogsIn(config, rules);
  if (!why.empty()) return why;
  // SCRAM goes by keys, and of the built-in database's users it is known who has some.
  const std::string chain = rules.auth_chain.empty() && config.auth.chain.size() == 1
                                ? config.auth.chain.front()
                                : rules.auth_chain;
  const std::vector<std::string_view> ways = tenant::WaysIn(config, rules);
  const bool by_keys =
      std::ranges::all_of(ways, [](std::string_view way) { return way.starts_with("SCRAM-"); });
  if (!by_keys || chain != tenant::kUsersBackend || tenant.users == 0) return why;
  bool has_keys = false;
  POP_RETURN_IF_ERROR(users.ListUsers(tenant.name, [&](const auth::UserRecord& user) {
    has_keys |= std::ranges::any_of(ways, [&](std::string_view way) { return Fits(user, way); });
  }));
  if (has_keys) return why;
  return "nobody can log in: none of its users has keys for " + std::string(ways.front()) +
         " (`poplar user passwd ADDRESS --scheme scram-sha-256` makes them)";
}

std::string WhyMailWaits(const tenant::Config& config, const TenantRules& rules,
                         const KnowsAddresses& knows) {
  std::vector<const tenant::BackendConfig*> plugins;  // What they can do is theirs to say.
  for (const std::string& name : tenant::ChainOf(config, rules)) {
    const auto found = std::ranges::find(config.backends, name, &tenant::BackendConfig::name);
    const bool is_plugin =
        found != config.backends.end() && found->driver == tenant::BackendDriver::kPlugin;
    if (!is_plugin) return "";
    plugins.push_back(&*found);
  }
  const bool one_knows =
      std::ranges::any_of(plugins, [&](const auto* plugin) { return knows(*plugin); });
  if (one_knows) return "";
  return "mail for its users has to wait (451): no back end of " +
         std::string(rules.auth_chain.empty() ? "auth.chain" : "its auth_chain") +
         " knows addresses";
}

nlohmann::json ToJson(const auth::TenantRecord& record) {
  const TenantPolicy& policy = record.policy;
  nlohmann::json settings = nlohmann::json::object();
  for (const TenantRuleInfo& rule : AllTenantRules()) {
    settings[std::string(rule.name)] = TenantRuleText(policy.rules, rule.name);
  }
  return {{"name", record.name},
          {"id", record.id.value()},
          {"enabled", record.enabled},
          {"domains", record.domains},
          {"users", record.users},
          {"created_s", record.created_s},
          {"quota_octets", policy.quota.octets},
          {"quota_messages", policy.quota.messages},
          {"maildrop_quota_octets", record.maildrop_quota.octets},
          {"maildrop_quota_messages", record.maildrop_quota.messages},
          {"keep_deleted_days", policy.keep_deleted_days},
          {"expire_days", policy.expire_days},
          {"expire_read_days", OrNull(policy.expire_read_days)},
          {"source", record.source},
          {"settings", std::move(settings)}};
}

nlohmann::json ToJson(const auth::UserRecord& record) {
  return {{"address", record.address},
          {"tenant", record.tenant_name},
          {"account", record.account},
          {"enabled", record.enabled},
          {"tenant_enabled", record.tenant_enabled},
          {"pop3", record.pop3},
          {"hash", record.scheme},
          {"created_s", record.created_s},
          {"password_changed_s", record.password_changed_s},
          {"quota_octets", record.quota.octets},
          {"quota_messages", record.quota.messages},
          {"own_quota_octets", OrNull(record.own_quota.octets)},
          {"own_quota_messages", OrNull(record.own_quota.messages)},
          {"require_app_password", OrNull(record.require_app_password)}};
}

}  // namespace poplar::app
