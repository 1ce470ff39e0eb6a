#include "core/app/commands/import.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "auth/users/user_database.h"
#include "core/app/commands/ask_server.h"
#include "core/app/transfer/cyrus.h"
#include "core/app/transfer/import_job.h"
#include "core/app/transfer/maildir.h"
#include "core/app/transfer/mbox.h"
#include "core/app/transfer/pop3_source.h"

namespace poplar::app {
namespace {

using Opener = std::function<StatusOr<OpenedMailbox>(const MailboxTask&)>;

StatusOr<UidlSource> SourceNamed(std::string_view name) {
  if (name == "auto" || name == "header") return UidlSource::kAuto;
  if (name == "dovecot") return UidlSource::kDovecot;
  if (name == "courier") return UidlSource::kCourier;
  if (name == "filename") return UidlSource::kFilename;
  return MakeStatus(StatusCode::kInvalidArgument,
                    "--uidl: write auto, dovecot, courier, filename "
                    "or header, not " +
                        std::string(name));
}

StatusOr<Opener> FileOpener(const ImportCommandOptions& options) {
  POP_ASSIGN_OR_RETURN(const UidlFormat format, UidlFormat::Parse(options.uidl_format));
  POP_ASSIGN_OR_RETURN(const UidlSource source, SourceNamed(options.uidl));
  const bool header_first = options.uidl == "header";
  if (options.from == ImportFrom::kMaildir) {
    const MaildirOptions maildir{source, header_first, format};
    return [maildir](const MailboxTask& task) -> StatusOr<OpenedMailbox> {
      OpenedMailbox opened;
      POP_ASSIGN_OR_RETURN(opened.source, OpenMaildir(task.place, maildir, task.found_from));
      return opened;
    };
  }
  if (options.from == ImportFrom::kCyrus) {
    return [format](const MailboxTask& task) -> StatusOr<OpenedMailbox> {
      OpenedMailbox opened;
      POP_ASSIGN_OR_RETURN(opened.source, OpenCyrus(task.place, format));
      return opened;
    };
  }
  const MboxOptions mbox{header_first, options.mboxo, format};
  return [mbox](const MailboxTask& task) -> StatusOr<OpenedMailbox> {
    OpenedMailbox opened;
    POP_ASSIGN_OR_RETURN(opened.source, OpenMbox(task.place, mbox, task.found_from));
    return opened;
  };
}

// Logs in on the other server for a task: as its place says, or as its address.
class OtherServer {
 public:
  OtherServer(Pop3Server server, Passwords passwords)
      : server_(std::move(server)), passwords_(std::move(passwords)) {}

  StatusOr<std::unique_ptr<Pop3Client>> LogIn(const std::string& login) const {
    POP_ASSIGN_OR_RETURN(const base::Secret* password, passwords_.Of(login));
    return Pop3Client::LogIn(server_, login, *password);
  }

 private:
  const Pop3Server server_;
  const Passwords passwords_;
};

StatusOr<std::shared_ptr<const OtherServer>> OpenOther(const ImportCommandOptions& options,
                                                       size_t logins, Console& console) {
  POP_ASSIGN_OR_RETURN(Pop3Server server, ServerOf(options.other));
  POP_ASSIGN_OR_RETURN(Passwords passwords, Passwords::Read(options.other, logins, console));
  return std::make_shared<const OtherServer>(std::move(server), std::move(passwords));
}

std::string ComesFirst(const std::string& address) {
  return "there is no such user here: `poplar user add " + address + "` comes first";
}

using NotesHere = std::map<std::string, std::string>;  // By address.

// As the running server finds them, in all of its back ends.
NotesHere AskedNotes(const std::vector<MailboxTask>& tasks, const tenant::Config& config) {
  NotesHere notes;
  for (const MailboxTask& task : tasks) {
    const auto shown = AskServer(config, "mailbox.show", {{"address", task.address}});
    std::string why(Message(shown.status()));
    // A list that cannot be read: nobody could tell what is there already.
    if (shown.ok() && shown->value("use", nlohmann::json::object()).is_null()) {
      why = shown->value("why", "");
    }
    if (shown.status().code() == StatusCode::kNotFound) {
      notes.emplace(task.address, ComesFirst(task.address));
    } else if (!why.empty()) {
      notes.emplace(task.address, "would it be taken here? " + why);
    }
  }
  return notes;
}

// What an import would meet here, for a dry run, which starts no server to find it out.
StatusOr<NotesHere> DryNotes(const std::vector<MailboxTask>& tasks, const tenant::Config& config) {
  const Status server = AskServer(config, "tenant.storage", nlohmann::json::object()).status();
  if (server.code() != StatusCode::kFailedPrecondition) return AskedNotes(tasks, config);
  // Other back ends may know whom the database does not, and only a server asks them.
  if (!config.backends.empty()) return NotesHere();
  const auto users = auth::UserDatabase::Open(config.users.database);
  // Where none is made yet, nobody is known.
  if (!users.ok() && users.status().code() != StatusCode::kNotFound) return users.status();
  NotesHere notes;
  for (const MailboxTask& task : tasks) {
    Status found = users.ok() ? (*users)->FindUser(task.address).status() : users.status();
    if (found.code() == StatusCode::kNotFound) {
      notes.emplace(task.address, ComesFirst(task.address));
    } else if (!found.ok()) {
      return found;
    }
  }
  return notes;
}

StatusOr<ImportOptions> JobOptions(const ImportCommandOptions& options,
                                   const tenant::Config& config,
                                   const std::vector<MailboxTask>& tasks, Console& console) {
  ImportOptions job;
  job.import_socket = config.admin.import_socket();
  job.export_socket = config.admin.export_socket();
  job.jobs = JobsOf(options.what);
  job.dry_run = options.dry_run;
  job.all_details = options.what.json;
  if (job.dry_run) {
    POP_ASSIGN_OR_RETURN(job.notes_here, DryNotes(tasks, config));
  }
  job.known_uidls_only = options.known_uidls_only;
  job.delete_there = options.delete_there;
  if (options.from == ImportFrom::kPop3) {
    POP_ASSIGN_OR_RETURN(const auto other, OpenOther(options, tasks.size(), console));
    job.open = [other](const MailboxTask& task) -> StatusOr<OpenedMailbox> {
      OpenedMailbox opened;
      POP_ASSIGN_OR_RETURN(opened.client, other->LogIn(task.place));
      POP_ASSIGN_OR_RETURN(opened.source, OpenPop3Source(*opened.client));
      return opened;
    };
    return job;
  }
  POP_ASSIGN_OR_RETURN(job.open, FileOpener(options));
  if (options.other.url.empty()) return job;
  POP_ASSIGN_OR_RETURN(const auto other, OpenOther(options, tasks.size(), console));
  const std::string login = options.other.user;
  job.compare_with = [other, login](const MailboxTask& task) {
    return other->LogIn(login.empty() ? task.address : login);
  };
  return job;
}

}  // namespace

ExitCode Import(const ImportCommandOptions& options, const tenant::Config& config,
                const Wiring& wiring, Console& console) {
  auto tasks = TasksOf(options.what);
  if (!tasks.ok()) return Fail(console, InputCodeOf(tasks.status()), Message(tasks.status()));
  auto job = JobOptions(options, config, *tasks, console);
  if (!job.ok()) return Fail(console, InputCodeOf(job.status()), Message(job.status()));
  const auto run = [&] {
    TransferTeller teller(options.what, options.dry_run ? ReportKind::kDryRun : ReportKind::kImport,
                          tasks->size(), console);
    job->done = teller.done();
    return teller.End(RunImports(*tasks, *job, teller.progress()));
  };
  return options.dry_run ? run() : WithPrivateSockets(config, wiring, console, run);
}

}  // namespace poplar::app
