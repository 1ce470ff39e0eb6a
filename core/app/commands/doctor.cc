#include "core/app/commands/doctor.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "core/app/commands/ask_server.h"
#include "core/app/commands/check.h"
#include "core/app/commands/user_records.h"
#include "core/app/doctor/certificates.h"
#include "core/app/doctor/machine.h"
#include "core/app/doctor/mailbox.h"
#include "core/app/doctor/metrics.h"
#include "core/app/doctor/ports.h"
#include "core/app/listeners.h"
#include "core/base/log_line.h"
#include "core/base/recent_name.h"

namespace poplar::app {
namespace {

// Who hangs is known by then: with that, a port and a page are waited for, and all is over after
// some 20 s.
constexpr uint32_t kAnswerTimeoutMs = 10'000;

// False: the rest would be about another configuration than the server's.
bool LookAtConfiguration(const std::string& path, const Checked& checked, Findings& findings) {
  for (const tenant::ConfigFault& fault : checked.parsed.faults) {
    findings.OurFault("configuration", fault.ToString(),
                      "put it right, until `poplar check` has nothing to say; then a restart, or "
                      "SIGHUP",
                      ExitCode::kConfig);
  }
  for (const tenant::ConfigFault& warning : checked.warnings) {
    findings.Note("configuration", warning.ToString(), "");
  }
  if (checked.parsed.faults.empty()) findings.Good("configuration", path + " is right");
  return checked.can_be_used;
}

std::string MendOf(StatusCode code) {
  switch (code) {
    case StatusCode::kFailedPrecondition:
      return "start it; its last words are at the end of its log (under systemd `journalctl -u "
             "poplar`)";
    case StatusCode::kPermissionDenied:
      return "ask once more as root, or as the server's user";
    case StatusCode::kDeadlineExceeded:
      return "it is stopped, hangs, or is at a long command (a snapshot): the process's state "
             "(`ps`) and the end of the log tell; a restart helps one that hangs";
    default:
      return "see the server's log";
  }
}

ServerState LookAtServer(const tenant::Config& config, Findings& findings) {
  const auto answer = AskServer(config, "session.list", nlohmann::json::object(), kAnswerTimeoutMs);
  if (answer.ok()) {
    findings.Good("admin socket",
                  "a server runs, with " +
                      std::to_string(answer->value("sessions", nlohmann::json()).size()) +
                      " connections");
    return ServerState::kAnswers;
  }
  const StatusCode code = answer.status().code();
  findings.OurFault("admin socket", std::string(Message(answer.status())), MendOf(code));
  return code == StatusCode::kFailedPrecondition ? ServerState::kDown : ServerState::kSilent;
}

// With the addresses where it says that it listens; of one that says nothing, what the file has.
tenant::Config AsItRuns(const tenant::Config& config, ServerState server, Findings& findings) {
  if (server != ServerState::kAnswers) {
    LookAtDescriptors(config, std::nullopt, findings);
    return config;
  }
  const auto shown = AskToShowItself(config);
  if (!shown.ok()) {
    findings.Skip("listeners", std::string(Message(shown.status())));
    return config;
  }
  LookAtDescriptors(config, shown->descriptors_max, findings);
  LookAtListeners(config, shown->listeners, findings);
  return AsListening(config, shown->listeners);
}

void LookAtAll(const tenant::Config& configured, const Wiring& wiring, Patient patient,
               Findings& findings) {
  LookAtKernel(configured, findings);
  LookAtDisk(configured, wiring.store_reserve_bytes(configured), findings);
  const ServerState server = LookAtServer(configured, findings);
  const tenant::Config config = AsItRuns(configured, server, findings);
  // As log-ins are taken.
  std::string_view name = patient.user_name;
  if (config.pop3.recent_days > 0) TakeRecentPrefix(name);
  patient.address = std::string(name);
  const auto policies = PoliciesOf(config);
  const Pop3Hosts hosts = Pop3HostsOf(
      setup::FactsOf(config), policies.ok() ? *policies : TenantPolicies(), patient.address);
  const auto pop3s = LookAtPorts(config, hosts.names.front(), server, findings);
  if (pop3s) LookAtCertificates(config, *pop3s, hosts, findings);
  if (server != ServerState::kDown) LookAtMetrics(config, findings);
  if (!patient.user_name.empty()) {
    LookAtMailbox(config, patient, server == ServerState::kAnswers, findings);
  }
}

}  // namespace

ExitCode Doctor(const DoctorOptions& options, const Wiring& wiring, Console& console) {
  Patient patient;
  patient.user_name = options.user_name;
  patient.from = options.from;
  if (!options.from.empty() && !options.password && !options.password_from_stdin) {
    return Fail(console, ExitCode::kUsage,
                "--from is for an app password: it goes with --password");
  }
  if (options.password || options.password_from_stdin) {
    auto password =
        options.password_from_stdin
            ? ReadPassword(console.in)
            : console.ask_password("Password of " + base::Printable(options.user_name) + ": ");
    if (!password.ok()) return Fail(console, password.status());
    patient.password = *std::move(password);
  }
  Findings findings;
  const Checked checked = CheckConfiguration(options.config_path, wiring);
  if (LookAtConfiguration(options.config_path, checked, findings)) {
    LookAtAll(checked.parsed.config, wiring, std::move(patient), findings);
  }
  if (options.json) {
    console.out << findings.ToJson().dump(2) << '\n';
  } else {
    findings.Print(console.out, !options.user_name.empty());
  }
  return findings.code();
}

}  // namespace poplar::app
