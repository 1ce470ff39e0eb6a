#include "core/app/commands/transfer_options.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/app/transfer/byte_source.h"
#include "core/app/transfer/line_connection.h"
#include "core/app/transfer/mailbox_tasks.h"
#include "core/app/transfer/stop_flag.h"
#include "core/base/units.h"

namespace poplar::app {
namespace {

constexpr size_t kListBytesMax = 256 * kMiB;

StatusOr<std::vector<std::pair<std::string, std::string>>> ReadPairs(const std::string& path) {
  POP_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kListBytesMax));
  auto pairs = ParsePairs(text);
  if (!pairs.ok()) return Annotate(pairs.status(), path);
  return pairs;
}

// What a report ends the command with; kOk where all is well.
ExitCode CodeOf(const MailboxReport& report) {
  if (report.no_source) return ExitCode::kNoInput;
  if (report.no_target) return ExitCode::kCannotCreate;
  if (!report.status.ok()) return ExitCodeOf(report.status);
  const bool differs = report.comparison.has_value() && !report.comparison->all_there();
  return report.failed > 0 || report.damaged_here > 0 || differs ? ExitCode::kDataError
                                                                 : ExitCode::kOk;
}

// Whether a server speaks at the socket. A connection alone proves nothing: that of a server that
// was killed takes some until the kernel has taken its ring apart, and no greeting follows.
Status SpeaksAt(const std::string& socket_path) {
  POP_ASSIGN_OR_RETURN(LineConnection connection, LineConnection::ToUnix(socket_path));
  return connection.ReadLine().status();
}

}  // namespace

StatusOr<std::vector<MailboxTask>> TasksOf(const TransferOptions& options) {
  if (!options.tree.empty()) {
    POP_ASSIGN_OR_RETURN(std::vector<MailboxTask> tasks, ExpandTree(options.tree));
    if (!tasks.empty()) return tasks;
    return MakeStatus(StatusCode::kInvalidArgument, "nothing is found at " + options.tree);
  }
  if (options.map_file.empty()) {
    return std::vector<MailboxTask>{{options.address, options.place}};
  }
  POP_ASSIGN_OR_RETURN(const auto pairs, ReadPairs(options.map_file));
  std::vector<MailboxTask> tasks;
  tasks.reserve(pairs.size());
  for (const auto& [address, place] : pairs) tasks.push_back({address, place});
  return tasks;
}

uint32_t JobsOf(const TransferOptions& options) {
  if (options.jobs > 0) return options.jobs;
  return 2 * std::max(1U, std::thread::hardware_concurrency());
}

StatusOr<Passwords> Passwords::Read(const OtherServerOptions& options, size_t logins,
                                    Console& console) {
  Passwords passwords;
  if (!options.passwords_file.empty()) {
    POP_ASSIGN_OR_RETURN(const auto pairs, ReadPairs(options.passwords_file));
    for (const auto& [login, password] : pairs) {
      passwords.by_login_.emplace(login, base::Secret(password));
    }
    return passwords;
  }
  if (logins != 1) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "several mailboxes need --passwords FILE: lines of login, TAB, password");
  }
  if (!options.password_stdin) {
    POP_ASSIGN_OR_RETURN(passwords.for_all_, console.ask_password("Password on the old server: "));
    return passwords;
  }
  POP_ASSIGN_OR_RETURN(passwords.for_all_, ReadPassword(console.in));
  return passwords;
}

StatusOr<const base::Secret*> Passwords::Of(const std::string& login) const {
  const auto found = by_login_.find(login);
  if (found != by_login_.end()) return &found->second;
  if (by_login_.empty() && !for_all_.empty()) return &for_all_;
  return MakeStatus(StatusCode::kInvalidArgument, "no password was given for " + login);
}

StatusOr<Pop3Server> ServerOf(const OtherServerOptions& options) {
  POP_ASSIGN_OR_RETURN(Pop3Server server, ParsePop3Url(options.url));
  server.allow_cleartext = options.allow_cleartext;
  server.trust = options.trust;
  return server;
}

ExitCode WithPrivateSockets(const tenant::Config& config, const Wiring& wiring, Console& console,
                            const std::function<ExitCode()>& command) {
  StopFlag::Install();
  const Status spoke = SpeaksAt(config.admin.import_socket());
  if (spoke.ok()) return command();
  // Nobody does: then nobody has the store either, which the lock will tell.
  const bool nobody =
      spoke.code() == StatusCode::kFailedPrecondition || spoke.code() == StatusCode::kUnavailable;
  if (!nobody) return Fail(console, spoke);
  return wiring.serve_privately(config, console, command);
}

TransferTeller::TransferTeller(const TransferOptions& options, ReportKind kind, size_t mailboxes,
                               Console& console)
    : options_(options),
      kind_(kind),
      console_(console),
      progress_(console.err, !options.json && !options.quiet && isatty(STDERR_FILENO) == 1,
                mailboxes) {}

std::function<void(const MailboxReport&)> TransferTeller::done() {
  if (options_.json) return nullptr;
  return [this](const MailboxReport& report) {
    if (!options_.quiet) {
      PrintReport(report, kind_, console_.out);
      console_.out.flush();
    }
    if (report.status.ok()) return;
    console_.err << "poplar: " << report.address << ": " << Message(report.status) << '\n';
  };
}

ExitCode TransferTeller::End(const std::vector<MailboxReport>& reports) {
  progress_.Clear();
  if (options_.json) {
    console_.out << ReportsToJson(reports).dump(2) << '\n';
  } else if (reports.size() != 1 || options_.quiet) {
    PrintSum(reports, kind_, console_.out);
  }
  // What may be tried again is said before what may not.
  ExitCode code = ExitCode::kOk;
  for (const MailboxReport& report : reports) {
    const ExitCode one = CodeOf(report);
    if (one == ExitCode::kTemporary) return one;
    if (code == ExitCode::kOk) code = one;
  }
  return code;
}

}  // namespace poplar::app
