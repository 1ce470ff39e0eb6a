#include "core/app/commands/doctor.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/app/commands/ask_server.h"
#include "core/app/commands/check.h"
#include "core/app/doctor/machine.h"
#include "core/app/doctor/mailbox.h"
#include "core/app/doctor/ports.h"
#include "core/app/listeners.h"

namespace poplar::app {
namespace {

// False: the rest would be about another configuration than the server's.
bool LookAtConfiguration(const std::string& path, const Checked& checked, Findings& findings) {
  for (const tenant::ConfigFault& fault : checked.parsed.faults) {
    findings.OurFault("configuration", fault.ToString(), "", ExitCode::kConfig);
  }
  for (const tenant::ConfigFault& warning : checked.warnings) {
    findings.Note("configuration", warning.ToString(), "");
  }
  if (checked.parsed.faults.empty()) findings.Good("configuration", path + " is right");
  return checked.can_be_used;
}

enum class ServerState : uint8_t {
  kDown,
  kSilent,  // It runs, and does not answer who asks, or not him.
  kAnswers,
};

ServerState LookAtServer(const tenant::Config& config, Findings& findings) {
  const auto answer = AskServer(config, "session.list", nlohmann::json::object());
  if (answer.ok()) {
    findings.Good("admin socket",
                  "a server runs, with " +
                      std::to_string(answer->value("sessions", nlohmann::json()).size()) +
                      " connections");
    return ServerState::kAnswers;
  }
  const bool down = answer.status().code() == StatusCode::kFailedPrecondition;
  findings.OurFault("admin socket", std::string(Message(answer.status())),
                    down ? "start it; its last words are at the end of its log (under systemd "
                           "`journalctl -u poplar`)"
                         : "");
  return down ? ServerState::kDown : ServerState::kSilent;
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

}  // namespace

ExitCode Doctor(const DoctorOptions& options, const Wiring& wiring, Console& console) {
  Patient patient{.address = options.address, .password = std::nullopt};
  if (options.password || options.password_from_stdin) {
    auto password = options.password_from_stdin
                        ? ReadPassword(console.in)
                        : console.ask_password("Password of " + options.address + ": ");
    if (!password.ok()) return Fail(console, password.status());
    patient.password = *std::move(password);
  }
  Findings findings;
  const Checked checked = CheckConfiguration(options.config_path, wiring);
  if (LookAtConfiguration(options.config_path, checked, findings)) {
    LookAtKernel(checked.parsed.config, findings);
    LookAtDisk(checked.parsed.config, findings);
    const ServerState server = LookAtServer(checked.parsed.config, findings);
    const tenant::Config config = AsItRuns(checked.parsed.config, server, findings);
    const bool runs = server != ServerState::kDown;
    LookAtPorts(config, Pop3HostOf(config, options.address), runs, findings);
    if (runs) LookAtMetrics(config, findings);
    if (!options.address.empty()) {
      LookAtMailbox(config, patient, server == ServerState::kAnswers, findings);
    }
  }
  if (options.json) {
    console.out << findings.ToJson().dump(2) << '\n';
  } else {
    findings.Print(console.out, !options.address.empty());
  }
  return findings.code();
}

}  // namespace poplar::app
