#include "core/app/commands/session.h"

#include <nlohmann/json.hpp>

#include "core/app/commands/ask_server.h"
#include "core/app/table.h"

namespace poplar::app {
namespace {

using nlohmann::json;

// False: the list has another shape than it should.
bool PrintTable(const json& sessions, Console& console) try {
  Table table({"SESSION", "PROTOCOL", "USER", "TENANT", "FROM", "TLS", "STATE", "AGE", "IDLE"});
  for (const json& session : sessions) {
    table.Add({session.value("id", ""), session.value("protocol", ""), session.value("user", ""),
               session.value("tenant", ""), session.value("peer", ""),
               session.value("tls", false) ? "yes" : "no", session.value("state", ""),
               DurationText(session.value("age_s", uint64_t{0})),
               DurationText(session.value("idle_s", uint64_t{0}))});
  }
  table.Print(console.out);
  return true;
} catch (const json::exception&) {
  return false;
}

ExitCode NotUnderstood(Console& console) {
  return Fail(console, ExitCode::kSoftware,
              "the server's answer on the admin socket is not understood");
}

}  // namespace

ExitCode SessionList(const SessionListOptions& options, const tenant::Config& config,
                     Console& console) {
  json arguments = json::object();
  if (!options.user.empty()) arguments["user"] = options.user;
  const auto result = AskServer(config, "session.list", std::move(arguments));
  if (!result.ok()) return Fail(console, result.status());
  const auto sessions = result->find("sessions");
  if (sessions == result->end() || !sessions->is_array()) return NotUnderstood(console);
  if (options.json) {
    console.out << sessions->dump(2) << '\n';
  } else if (sessions->empty()) {
    console.out << "No sessions now.\n";
  } else if (!PrintTable(*sessions, console)) {
    return NotUnderstood(console);
  }
  return ExitCode::kOk;
}

ExitCode SessionKick(const SessionKickOptions& options, const tenant::Config& config,
                     Console& console) {
  json arguments = json::object();
  if (!options.session.empty()) arguments["session"] = options.session;
  if (!options.user.empty()) arguments["user"] = options.user;
  if (!options.tenant.empty()) arguments["tenant"] = options.tenant;
  const auto result = AskServer(config, "session.kick", arguments);
  if (!result.ok()) return Fail(console, result.status());
  const auto kicked = result->find("kicked");
  if (kicked == result->end() || !kicked->is_number()) return NotUnderstood(console);
  console.out << *kicked << (*kicked == 1 ? " session" : " sessions")
              << " told to end; a commit under way is finished first.\n";
  return ExitCode::kOk;
}

ExitCode EndTenantSessions(const std::string& tenant, const tenant::Config& config,
                           Console& console) {
  const auto kicked = AskServer(config, "session.kick", json{{"tenant", tenant}});
  if (kicked.status().code() == StatusCode::kFailedPrecondition) {
    console.out << "No server runs, so no sessions had to end.\n";
    return ExitCode::kOk;
  }
  if (!kicked.ok() && kicked.status().code() != StatusCode::kNotFound) {
    return Fail(console, kicked.status());
  }
  const uint64_t ended = kicked.ok() ? kicked->value("kicked", uint64_t{0}) : 0;
  console.out << "Ended " << ended << " of its sessions.\n";
  return ExitCode::kOk;
}

}  // namespace poplar::app
