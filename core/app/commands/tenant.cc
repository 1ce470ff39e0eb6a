#include "core/app/commands/tenant.h"

#include <nlohmann/json.hpp>

#include "core/app/commands/user_records.h"
#include "core/app/table.h"

namespace poplar::app {
namespace {

using auth::TenantRecord;

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

ExitCode TenantAdd(const TenantAddOptions& options, const tenant::Config& config,
                   Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return Fail(console, users.status());
  const auto added = (*users)->AddTenant(options.name, options.domains);
  if (!added.ok()) return Fail(console, added.status());
  console.out << "Tenant " << added->name << " added. Next: `poplar user add NAME@"
              << (added->domains.empty() ? "DOMAIN" : added->domains.front()) << "`\n";
  return ExitCode::kOk;
}

ExitCode TenantList(const TenantListOptions& options, const tenant::Config& config,
                    Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return Fail(console, users.status());
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
  if (!users.ok()) return Fail(console, users.status());
  const auto found = (*users)->FindTenant(options.name);
  if (!found.ok()) return Fail(console, found.status());
  if (options.json) {
    console.out << ToJson(*found).dump(2) << '\n';
    return ExitCode::kOk;
  }
  console.out << "tenant   " << found->name << "\nid       " << found->id.value() << "\nstate    "
              << (found->enabled ? "enabled" : "disabled") << "\nusers    " << found->users
              << "\ndomains  " << Joined(found->domains) << "\ncreated  "
              << TimeText(found->created_s) << '\n';
  return ExitCode::kOk;
}

ExitCode TenantRemove(const TenantRemoveOptions& options, const tenant::Config& config,
                      Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return Fail(console, users.status());
  const Status removed = (*users)->RemoveTenant(options.name, options.with_users);
  if (removed.code() == StatusCode::kFailedPrecondition && !options.with_users)
    return Fail(console, ExitCodeOf(removed),
                std::string(Message(removed)) + " (with --with-users they go too)");
  if (!removed.ok()) return Fail(console, removed);
  console.out << "Tenant " << options.name << " removed.\n";
  return ExitCode::kOk;
}

}  // namespace poplar::app
