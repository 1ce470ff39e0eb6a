#include "core/app/transfer/export_job.h"

#include <deque>
#include <utility>

#include "core/app/transfer/mail_folder.h"
#include "core/app/transfer/pop3_client.h"
#include "core/app/transfer/stop_flag.h"

namespace poplar::app {
namespace {

class MailboxExport {
 public:
  MailboxExport(const MailboxTask& task, const ExportOptions& options, Progress& progress)
      : task_(task), options_(options), progress_(progress) {
    report_.address = task.address;
    report_.place = task.place;
  }

  MailboxReport Run() && {
    report_.status = RunToEnd();
    return std::move(report_);
  }

 private:
  Status RunToEnd() {
    POP_ASSIGN_OR_RETURN(const std::unique_ptr<Pop3Client> client,
                         Pop3Client::OpenExport(options_.export_socket, task_.address));
    POP_ASSIGN_OR_RETURN(const std::vector<Pop3Message> listed, client->List());
    const auto opened = options_.format == ExportFormat::kMaildir
                            ? OpenMaildirFolder(task_.place, options_.uidl_format)
                            : OpenMboxFile(task_.place);
    const StatusCode code = opened.status().code();
    report_.no_target = code == StatusCode::kNotFound || code == StatusCode::kUnavailable;
    if (!opened.ok()) return opened.status();
    const std::unique_ptr<MailFolder>& folder = *opened;
    uint64_t bytes = 0;
    for (const Pop3Message& message : listed) bytes += message.octets;
    report_.messages = listed.size();
    report_.uidls[static_cast<size_t>(UidlFate::kKept)] = listed.size();
    progress_.Found(listed.size(), bytes);
    std::deque<const Pop3Message*> wanted;
    for (const Pop3Message& message : listed) {
      if (!folder->Holds(message)) {
        wanted.push_back(&message);
        continue;
      }
      ++report_.already_there;
      progress_.Did(1, message.octets);
    }
    Status fetched = FetchAll(*client, std::move(wanted), *folder);
    // A Maildir that was broken off is told of what it has.
    if (!fetched.ok() && options_.format == ExportFormat::kMbox) return fetched;
    const Status finished = folder->Finish(listed);
    client->Quit().IgnoreError();
    return fetched.ok() ? finished : fetched;
  }

  Status FetchAll(Pop3Client& client, std::deque<const Pop3Message*> wanted, MailFolder& folder) {
    std::deque<const Pop3Message*> asked;
    while (!wanted.empty() || !asked.empty()) {
      if (StopFlag::raised()) return MakeStatus(StatusCode::kCancelled, "interrupted");
      while (asked.size() < client.ahead_max() && !wanted.empty()) {
        POP_RETURN_IF_ERROR(client.Ask(wanted.front()->number));
        asked.push_back(wanted.front());
        wanted.pop_front();
      }
      const Pop3Message& message = *asked.front();
      asked.pop_front();
      auto body = client.NextBody();
      if (body.ok()) {
        POP_RETURN_IF_ERROR(folder.Add(message, **body));
        ++report_.moved;
        report_.bytes += message.octets;
      } else if (body.status().code() == StatusCode::kDataLoss) {
        report_.AddFailure("message " + message.uidl +
                           ": not exported: " + std::string(Message(body.status())));
      } else {
        return body.status();
      }
      progress_.Did(1, message.octets);
    }
    return OkStatus();
  }

  const MailboxTask& task_;
  const ExportOptions& options_;
  Progress& progress_;
  MailboxReport report_;
};

}  // namespace

std::vector<MailboxReport> RunExports(const std::vector<MailboxTask>& tasks,
                                      const ExportOptions& options, Progress& progress) {
  return RunParallel(tasks, options.jobs, options.done, progress, [&](const MailboxTask& task) {
    return MailboxExport(task, options, progress).Run();
  });
}

}  // namespace poplar::app
