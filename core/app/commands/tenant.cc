#include "core/app/commands/tenant.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "auth/users/address.h"
#include "core/app/commands/limits_text.h"
#include "core/app/commands/session.h"
#include "core/app/commands/user_records.h"
#include "core/app/table.h"
#include "core/app/tenant_sources.h"
#include "core/base/check.h"
#include "core/base/login_domain.h"
#include "core/tenant/tenant_file.h"

namespace poplar::app {
namespace {

using auth::TenantRecord;

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void Apply(const TenantLimits& limits, TenantRecord& record) {
  TenantPolicy& policy = record.policy;
  policy.quota.octets = limits.quota_octets.value_or(policy.quota.octets);
  policy.quota.messages = limits.quota_messages.value_or(policy.quota.messages);
  Quota& maildrop = record.maildrop_quota;
  maildrop.octets = limits.maildrop_quota_octets.value_or(maildrop.octets);
  maildrop.messages = limits.maildrop_quota_messages.value_or(maildrop.messages);
  policy.keep_deleted_days = limits.keep_deleted_days.value_or(policy.keep_deleted_days);
  policy.expire_days = limits.expire_days.value_or(policy.expire_days);
  policy.expire_read_days = limits.expire_read_days.value_or(policy.expire_read_days);
  // The command line has proved them.
  for (const auto& [name, value] : limits.rules) {
    POP_CHECK(SetTenantRule(policy.rules, name, value).ok());
  }
}

// A chain that names what is not configured would keep everybody out.
Status CheckChain(const TenantLimits& limits, const tenant::Config& config) {
  TenantRecord record;
  Apply(limits, record);
  const std::string& chain = record.policy.rules.auth_chain;
  const std::string missing = tenant::MissingBackend(config, chain);
  if (!missing.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "auth_chain: there is no [backend." + missing + "] in the configuration");
  }
  const std::string twice = tenant::TwiceInChain(chain);
  if (twice.empty()) return OkStatus();
  return MakeStatus(StatusCode::kInvalidArgument,
                    "auth_chain: \"" + twice + "\" is there twice; remove one of the two");
}

// With one of another's, who leaves his domain out would be nobody.
Status CheckDefaultDomain(const TenantLimits& limits, const std::string& name,
                          const std::vector<std::string>& domains) {
  TenantRecord record;
  Apply(limits, record);
  const std::string& wanted = record.policy.rules.default_domain;
  const bool has_it = std::ranges::any_of(
      domains, [&](const std::string& domain) { return auth::LookupKey(domain) == wanted; });
  if (wanted.empty() || has_it) return OkStatus();
  return MakeStatus(
      StatusCode::kInvalidArgument,
      "default_domain: the tenant " + name + " has no domain " + wanted + "; give it that first");
}

void Print(const TenantRecord& record, Console& console) {
  console.out << "tenant        " << record.name << "\nid            " << record.id.value()
              << "\nstate         " << (record.enabled ? "enabled" : "disabled")
              << "\nusers         " << record.users << "\ndomains       " << Joined(record.domains)
              << "\ncreated       " << TimeText(record.created_s) << "\nquota         "
              << QuotaText(record.policy.quota) << "\na maildrop    "
              << QuotaText(record.maildrop_quota) << '\n';
  for (const auto& [name, text] : RetentionText(record.policy)) {
    console.out << name << "  " << text << '\n';
  }
  for (const auto& [name, value] : ChangedTenantRules(record.policy.rules)) {
    console.out << name << " = " << value << '\n';
  }
  if (!record.source.empty()) console.out << "from          " << record.source << '\n';
}

// What is changed here is undone when the place that the tenant comes from is read again.
void WarnOfSource(const TenantRecord& record, Console& console) {
  if (record.source.empty()) return;
  console.err << "poplar: tenant " << record.name << " comes from " << record.source
              << ", which undoes this when it is read again; change it there\n";
}

Status TakeFromFile(const std::string& name, const tenant::Config& config,
                    auth::UserDatabase& users) {
  if (config.users.tenants.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument, "users.tenants names no folder of files");
  }
  const std::string path = std::filesystem::path(config.users.tenants) / (name + ".toml");
  const tenant::ParsedTenant parsed = tenant::ReadTenant(path);
  if (!parsed.faults.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument, parsed.faults.front().ToString());
  }
  return Annotate(users.AdoptTenant(parsed.tenant), path);
}

Status HandOver(const TenantSetOptions& options, const tenant::Config& config,
                auth::UserDatabase& users, Console& console) {
  POP_RETURN_IF_ERROR(users.FindTenant(options.name).status());
  const std::string& backend = config.users.tenants_backend;
  switch (*options.source) {
    case TenantSource::kCommand:
      return users.SetTenantSource(options.name, "");
    case TenantSource::kFile:
      return TakeFromFile(options.name, config, users);
    case TenantSource::kBackend:
      break;
  }
  if (backend.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument, "users.tenants_backend names no back end");
  }
  POP_RETURN_IF_ERROR(users.SetTenantSource(options.name, KindOfBackend(backend) + options.name));
  console.err << "poplar: back end " << backend << " is asked within "
              << config.users.tenants_period_s << " s what tenant " << options.name
              << " is, where a server runs; if it does not name it, the tenant is disabled\n";
  return OkStatus();
}

void Warn(const TenantRecord& record, std::string_view why, Console& console) {
  console.err << "poplar: warning: tenant " << record.name << ": " << why << '\n';
}

void WarnOfLockOut(const TenantRecord& record, const tenant::Config& config,
                   auth::UserDatabase& users, Console& console) {
  const auto why = WhyNobodyLogsIn(config, record, users);
  if (!why.ok() || why->empty()) return;
  Warn(record, *why, console);
}

// `poplar check` says it of auth.chain.
void WarnOfMail(const TenantRecord& record, const tenant::Config& config, const Wiring& wiring,
                Console& console) {
  if (record.policy.rules.auth_chain.empty()) return;
  const std::string why = WhyMailWaits(config, record.policy.rules, wiring.knows_addresses);
  if (!why.empty()) Warn(record, why, console);
}

// Of those that it names in vain, or another tenant because of it.
void WarnOfHostClashes(const TenantRecord& record, auth::UserDatabase& users, Console& console) {
  const auto policies = users.TakePolicies();
  if (!policies.ok() || !policies->has_value()) return;
  for (const HostClash& clash : HostClashesOf(**policies)) {
    if (clash.tenant != record.name && clash.owner != record.name) continue;
    console.err << "poplar: warning: " << clash.Why() << '\n';
  }
}

void TellOfSessions(const std::string& name, Console& console) {
  console.out << "Sessions that are open go on: `poplar session kick --tenant " << name
              << "` ends them.\n";
}

}  // namespace

StatusOr<TenantSource> ParseTenantSource(std::string_view text) {
  if (text == "command") return TenantSource::kCommand;
  if (text == "file") return TenantSource::kFile;
  if (text == "backend") return TenantSource::kBackend;
  return MakeStatus(StatusCode::kInvalidArgument, "it is one of command, file, backend");
}

ExitCode TenantAdd(const TenantAddOptions& options, const tenant::Config& config,
                   const Wiring& wiring, Console& console) {
  const Status named = CheckChain(options.limits, config);
  if (!named.ok()) return Fail(console, named);
  const Status has_domain = CheckDefaultDomain(options.limits, options.name, options.domains);
  if (!has_domain.ok()) return Fail(console, has_domain);
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const auto added = (*users)->AddTenant(
      options.name, options.domains, [&](TenantRecord& record) { Apply(options.limits, record); });
  if (!added.ok()) return Fail(console, added.status());
  WarnOfLockOut(*added, config, **users, console);
  WarnOfMail(*added, config, wiring, console);
  WarnOfHostClashes(*added, **users, console);
  console.out << "Tenant " << added->name << " added. Next: `poplar user add NAME@"
              << (added->domains.empty() ? "DOMAIN" : added->domains.front()) << "`\n";
  return ExitCode::kOk;
}

ExitCode TenantSet(const TenantSetOptions& options, const tenant::Config& config,
                   const Wiring& wiring, Console& console) {
  if (options.limits.empty() && !options.source.has_value()) {
    return Fail(console, ExitCode::kUsage,
                "nothing is to be changed (`poplar tenant set --help` says what can be)");
  }
  const Status named = CheckChain(options.limits, config);
  if (!named.ok()) return Fail(console, named);
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  if (options.source.has_value()) {
    const Status handed = HandOver(options, config, **users, console);
    if (!handed.ok()) return Fail(console, handed);
  }
  const auto known = (*users)->FindTenant(options.name);
  if (!known.ok()) return Fail(console, known.status());
  const Status has_domain = CheckDefaultDomain(options.limits, options.name, known->domains);
  if (!has_domain.ok()) return Fail(console, has_domain);
  const auto changed = options.limits.empty()
                           ? (*users)->FindTenant(options.name)
                           : (*users)->ChangeTenant(options.name, [&](TenantRecord& record) {
                               Apply(options.limits, record);
                             });
  if (!changed.ok()) return Fail(console, changed.status());
  if (!options.limits.empty()) WarnOfSource(*changed, console);
  WarnOfLockOut(*changed, config, **users, console);
  WarnOfMail(*changed, config, wiring, console);
  WarnOfHostClashes(*changed, **users, console);
  Print(*changed, console);
  return ExitCode::kOk;
}

ExitCode TenantList(const TenantListOptions& options, const tenant::Config& config,
                    Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const auto tenants = (*users)->ListTenants();
  if (!tenants.ok()) return Fail(console, tenants.status());
  if (options.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const TenantRecord& record : *tenants) list.push_back(ToJson(record));
    console.out << list.dump(2) << '\n';
    return ExitCode::kOk;
  }
  if (tenants->empty()) {
    console.out << "No tenants yet. Add one: `poplar tenant add NAME --domain DOMAIN`\n";
    return ExitCode::kOk;
  }
  Table table({"TENANT", "STATE", "USERS", "DOMAINS", "CREATED"});
  for (const TenantRecord& record : *tenants)
    table.Add({record.name, record.enabled ? "enabled" : "disabled", std::to_string(record.users),
               Joined(record.domains), TimeText(record.created_s)});
  table.Print(console.out);
  return ExitCode::kOk;
}

ExitCode TenantShow(const TenantShowOptions& options, const tenant::Config& config,
                    Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const auto found = (*users)->FindTenant(options.name);
  if (!found.ok()) return Fail(console, found.status());
  if (options.json) {
    console.out << ToJson(*found).dump(2) << '\n';
    return ExitCode::kOk;
  }
  Print(*found, console);
  return ExitCode::kOk;
}

ExitCode TenantSetState(const TenantStateOptions& options, const tenant::Config& config,
                        Console& console) {
  const auto& [name, enabled, end_sessions] = options;
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const Status set = (*users)->SetTenantEnabled(name, enabled);
  if (!set.ok()) return Fail(console, set);
  const auto record = (*users)->FindTenant(name);
  if (record.ok()) WarnOfSource(*record, console);
  console.out << "Tenant " << name << (enabled ? " enabled.\n" : " disabled.\n");
  if (end_sessions) return EndTenantSessions(name, config, console);
  if (!enabled) TellOfSessions(name, console);
  return ExitCode::kOk;
}

ExitCode TenantChangeDomain(const std::string& name, const std::string& domain, DomainChange change,
                            const tenant::Config& config, Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const bool adds = change == DomainChange::kAdd;
  const Status changed =
      adds ? (*users)->AddDomain(name, domain) : (*users)->RemoveDomain(name, domain);
  if (!changed.ok()) return Fail(console, changed);
  const auto record = (*users)->FindTenant(name);
  if (record.ok()) {
    WarnOfSource(*record, console);
    WarnOfHostClashes(*record, **users, console);
  }
  console.out << "Domain " << domain << (adds ? " added to tenant " : " removed from tenant ")
              << name << ".\n";
  return ExitCode::kOk;
}

ExitCode TenantRemove(const TenantRemoveOptions& options, const tenant::Config& config,
                      Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const Status removed = (*users)->RemoveTenant(options.name, options.with_users);
  if (removed.code() == StatusCode::kFailedPrecondition && !options.with_users)
    return Fail(console, ExitCodeOf(removed),
                std::string(Message(removed)) + " (with --with-users they go too)");
  if (!removed.ok()) return Fail(console, removed);
  console.out << "Tenant " << options.name << " removed.\n";
  if (options.end_sessions) return EndTenantSessions(options.name, config, console);
  TellOfSessions(options.name, console);
  return ExitCode::kOk;
}

}  // namespace poplar::app
