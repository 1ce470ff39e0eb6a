#include "core/app/commands/tenant_usage.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/users/usage_database.h"
#include "core/app/commands/user_records.h"
#include "core/app/table.h"
#include "core/ops/admin_client.h"

namespace poplar::app {
namespace {

using auth::UsageRecord;
using nlohmann::json;

constexpr int64_t kDaySeconds = 86'400;

std::string DayText(uint32_t day) { return TimeText(day * kDaySeconds).substr(0, 10); }

StatusOr<std::vector<UsageRecord>> ReadUsage(const TenantUsageOptions& options,
                                             const tenant::Config& config) {
  auto database = auth::UsageDatabase::Open(config.users.usage);
  // A server that nobody used has written nothing.
  if (database.status().code() == StatusCode::kNotFound) return std::vector<UsageRecord>();
  if (!database.ok()) return database.status();
  return (*database)->Read({.first_day = options.since.value_or(0),
                            .last_day = options.until.value_or(UINT32_MAX),
                            .tenant_name = options.name,
                            .by_day = options.by_day});
}

// What each tenant has stored now, by its id, as one that was removed and one that was added since
// may have the same name; null: no server runs that could tell.
json StorageNow(const tenant::Config& config) {
  const auto answer = ops::CallAdmin({.socket_path = config.admin.socket,
                                      .command = "tenant.storage",
                                      .arguments = json::object()});
  if (!answer.ok()) return {};
  const auto tenants = answer->find("tenants");
  return tenants == answer->end() ? json() : *tenants;
}

// Of StorageNow; null: that is not known, or the tenant is none any more.
json StorageOf(const UsageRecord& record, const json& storage) {
  return storage.is_object() ? storage.value(std::to_string(record.tenant.value()), json())
                             : json();
}

json ToJson(const UsageRecord& record, const json& storage, bool by_day) {
  const auth::UsageFigures& figures = record.figures;
  json object = {{"tenant", record.tenant_name},    {"id", record.tenant.value()},
                 {"sessions", figures.sessions},    {"messages_in", figures.messages_in},
                 {"octets_in", figures.octets_in},  {"messages_out", figures.messages_out},
                 {"octets_out", figures.octets_out}};
  if (by_day) {
    object["day"] = DayText(record.day);
  } else {
    object["storage"] = StorageOf(record, storage);
  }
  return object;
}

// Tenants that did nothing have a line too: what they store is billed.
void AddIdleTenants(const TenantUsageOptions& options, auth::UserDatabase& users,
                    std::vector<UsageRecord>& records) {
  std::set<TenantId> listed;
  for (const UsageRecord& record : records) listed.insert(record.tenant);
  const auto tenants = users.ListTenants();
  if (!tenants.ok()) return;
  for (const auth::TenantRecord& tenant : *tenants) {
    if (listed.contains(tenant.id) || (!options.name.empty() && options.name != tenant.name)) {
      continue;
    }
    records.push_back({.tenant = tenant.id, .tenant_name = tenant.name, .day = 0, .figures = {}});
  }
  std::ranges::sort(records, {}, [](const UsageRecord& record) {
    return std::pair(std::string_view(record.tenant_name), record.tenant);
  });
}

void PrintTable(const std::vector<UsageRecord>& records, const json& storage, bool by_day,
                Console& console) {
  Table table({"TENANT", by_day ? "DAY" : "STORED", "SESSIONS", "MESSAGES IN", "OCTETS IN",
               "MESSAGES OUT", "OCTETS OUT"});
  for (const UsageRecord& record : records) {
    const json stored = StorageOf(record, storage);
    std::string second = storage.is_object() ? "-" : "?";
    if (by_day) second = DayText(record.day);
    if (stored.is_object()) second = SizeText(stored.value("octets", uint64_t{0}));
    const auth::UsageFigures& figures = record.figures;
    table.Add({record.tenant_name, second, std::to_string(figures.sessions),
               std::to_string(figures.messages_in), SizeText(figures.octets_in),
               std::to_string(figures.messages_out), SizeText(figures.octets_out)});
  }
  table.Print(console.out);
}

}  // namespace

ExitCode TenantUsage(const TenantUsageOptions& options, const tenant::Config& config,
                     Console& console) {
  if (options.since.value_or(0) > options.until.value_or(UINT32_MAX)) {
    return Fail(console, ExitCode::kUsage,
                "--since " + DayText(*options.since) + " is after --until " +
                    DayText(*options.until) + ": there is no day to show");
  }
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  auto records = ReadUsage(options, config);
  if (!records.ok()) return Fail(console, records.status());
  if (!options.by_day) AddIdleTenants(options, **users, *records);
  if (records->empty() && !options.name.empty()) {
    const auto found = (*users)->FindTenant(options.name);
    if (!found.ok()) return Fail(console, found.status());
  }
  const json storage = options.by_day ? json() : StorageNow(config);
  if (options.json) {
    json list = json::array();
    for (const UsageRecord& record : *records) {
      list.push_back(ToJson(record, storage, options.by_day));
    }
    console.out << list.dump(2) << '\n';
  } else {
    PrintTable(*records, storage, options.by_day, console);
  }
  return ExitCode::kOk;
}

}  // namespace poplar::app
