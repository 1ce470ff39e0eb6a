#include "core/app/commands/auth.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/app/table.h"
#include "core/ops/admin_client.h"

namespace poplar::app {
namespace {

using nlohmann::json;

// Each link has its own deadline of ten seconds or so.
constexpr uint32_t kTimeoutMs = 300'000;

StatusOr<json> Ask(const tenant::Config& config, std::string command, json arguments) {
  return ops::CallAdmin({.socket_path = config.admin.socket,
                         .command = std::move(command),
                         .arguments = std::move(arguments),
                         .timeout_ms = kTimeoutMs});
}

std::string TimeTaken(uint64_t us) {
  return us < 1000 ? std::to_string(us) + " us" : std::to_string(us / 1000) + " ms";
}

std::string Remark(const json& link) {
  std::string remark = link.value("reason", "");
  if (link.value("says", "") != "ok") return remark;
  if (!remark.empty()) remark += "; ";
  return remark + "tenant " + link.value("tenant", "") + ", account " + link.value("account", "");
}

void Print(const json& links, Console& console) {
  Table table({"BACK END", "ASKED", "SAYS", "TOOK", "REMARK"});
  for (const json& link : links) {
    table.Add({link.value("backend", ""), link.value("asked", ""), link.value("says", ""),
               TimeTaken(link.value("took_us", uint64_t{0})), Remark(link)});
  }
  table.Print(console.out);
}

// As the chain goes on by default: the first that knows the name decides, or fails.
std::pair<ExitCode, std::string> Verdict(const json& links, bool with_password) {
  const std::string asked = with_password ? "password" : "address";
  for (const json& link : links) {
    const std::string says = link.value("says", "");
    if (link.value("asked", "") != asked || says == "unknown" || says == "unsupported") continue;
    const std::string backend = link.value("backend", "");
    if (says == "ok") {
      return {ExitCode::kOk,
              (with_password ? "The password is right, says " : "Found by ") + backend + "."};
    }
    if (says == "temporary") {
      return {ExitCode::kTemporary,
              backend + " cannot tell now: clients are asked to come back later."};
    }
    return {ExitCode::kNoPermission, "Not let in, says " + backend + "."};
  }
  return {ExitCode::kNoUser, "Nobody of that name is known."};
}

StatusOr<base::Secret> PasswordOf(const AuthTestOptions& options, Console& console) {
  switch (options.password) {
    case TestedPassword::kNone:
      return base::Secret();
    case TestedPassword::kTerminal:
      return console.ask_password("Password of " + options.address + ": ");
    case TestedPassword::kStdin:
      return ReadPassword(console.in);
  }
  return base::Secret();
}

}  // namespace

ExitCode AuthTest(const AuthTestOptions& options, const tenant::Config& config, Console& console) {
  const auto password = PasswordOf(options, console);
  if (!password.ok()) return Fail(console, password.status());
  const bool with_password = options.password != TestedPassword::kNone;
  json arguments = {{"address", options.address}};
  if (with_password) arguments["password"] = password->Reveal();
  const auto result = Ask(config, "auth.test", std::move(arguments));
  if (!result.ok()) return Fail(console, result.status());
  const json links = result->value("links", json::array());
  const auto [code, sentence] = Verdict(links, with_password);
  if (options.json) {
    console.out << links.dump(2) << '\n';
  } else {
    Print(links, console);
    console.out << sentence << '\n';
  }
  return code;
}

ExitCode EndSessions(const std::string& address, const tenant::Config& config, Console& console) {
  const auto running = Ask(config, "session.list", json{{"user", address}});
  if (running.status().code() == StatusCode::kFailedPrecondition) {
    console.out << "No server runs, so no sessions had to end.\n";
    return ExitCode::kOk;
  }
  return UserFlush({.address = address, .end_sessions = true}, config, console);
}

ExitCode UserFlush(const UserFlushOptions& options, const tenant::Config& config,
                   Console& console) {
  json arguments = json::object();
  if (!options.address.empty()) arguments["address"] = options.address;
  const auto flushed = Ask(config, "auth.flush", std::move(arguments));
  if (!flushed.ok()) return Fail(console, flushed.status());
  if (!options.end_sessions) return ExitCode::kOk;
  const auto kicked = Ask(config, "session.kick", json{{"user", options.address}});
  if (kicked.ok()) {
    console.out << "Ended " << kicked->value("kicked", uint64_t{0}) << " of its sessions.\n";
    return ExitCode::kOk;
  }
  // That there was none is as good.
  if (kicked.status().code() == StatusCode::kNotFound) return ExitCode::kOk;
  return Fail(console, kicked.status());
}

}  // namespace poplar::app
