#include "core/app/commands/app_password.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "auth/schemes/app_password.h"
#include "core/app/commands/auth.h"
#include "core/app/commands/user_records.h"
#include "core/app/table.h"

namespace poplar::app {
namespace {

using auth::AppPasswordRecord;
using nlohmann::json;

constexpr int64_t kExpiryDayS = 86'400;

json OrNull(const std::optional<int64_t>& number) { return number ? json(*number) : json(); }

json ToJson(const AppPasswordRecord& record) {
  return {{"label", record.label},
          {"id", record.id},
          {"scope", record.scope},
          {"networks", record.networks},
          {"expires_s", OrNull(record.expires_s)},
          {"created_s", record.created_s},
          {"last_used_s", OrNull(record.last_used_s)}};
}

}  // namespace

ExitCode AppPasswordAdd(const AppPasswordAddOptions& options, const tenant::Config& config,
                        Console& console) {
  // A list without networks is no limit, which is not what was asked for.
  if (std::ranges::find(options.networks, "") != options.networks.end()) {
    return Fail(console, ExitCode::kUsage,
                "--from is empty: write a network like 192.0.2.0/24, or leave it out where it may "
                "work from anywhere");
  }
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const auth::NewAppPassword made = auth::MakeAppPassword();
  AppPasswordRecord record;
  record.id = made.id;
  record.label = options.label;
  record.hash = made.hash;
  for (const std::string& network : options.networks) {
    record.networks += (record.networks.empty() ? "" : ",") + network;
  }
  if (options.expires_day) record.expires_s = (int64_t{*options.expires_day} + 1) * kExpiryDayS;
  const Status added = (*users)->AddAppPassword(options.address, record);
  if (!added.ok()) return Fail(console, added);
  if (options.json) {
    json shown = ToJson(record);
    shown.erase("created_s");
    shown.erase("last_used_s");
    shown["password"] = made.text.Reveal();
    console.out << shown.dump(2) << '\n';
  } else {
    console.out << "The app password \"" << options.label << "\" of " << options.address
                << " is shown this once:\n"
                << made.text.Reveal() << '\n';
  }
  return AfterChange(options.address, false, config, console);
}

ExitCode AppPasswordList(const AppPasswordListOptions& options, const tenant::Config& config,
                         Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const auto records = (*users)->ListAppPasswords(options.address);
  if (!records.ok()) return Fail(console, records.status());
  if (options.json) {
    json list = json::array();
    for (const AppPasswordRecord& record : *records) list.push_back(ToJson(record));
    console.out << list.dump(2) << '\n';
    return ExitCode::kOk;
  }
  if (records->empty()) {
    console.out << "No app passwords yet. Make one: `poplar user app-password add "
                << options.address << " LABEL`\n";
    return ExitCode::kOk;
  }
  Table table({"LABEL", "FOR", "FROM", "CREATED", "LAST USED", "WORKS UNTIL"});
  for (const AppPasswordRecord& record : *records) {
    table.Add({record.label, record.scope, record.networks.empty() ? "anywhere" : record.networks,
               TimeText(record.created_s),
               record.last_used_s ? TimeText(*record.last_used_s) : "never",
               record.expires_s ? TimeText(*record.expires_s) : "removed"});
  }
  table.Print(console.out);
  return ExitCode::kOk;
}

ExitCode AppPasswordRemove(const AppPasswordRemoveOptions& options, const tenant::Config& config,
                           Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const Status removed = (*users)->RemoveAppPassword(options.address, options.label);
  if (!removed.ok()) return Fail(console, removed);
  console.out << "The app password \"" << options.label << "\" of " << options.address
              << " is removed.\n";
  return AfterChange(options.address, options.end_sessions, config, console);
}

}  // namespace poplar::app
