#include "core/app/transfer/import_job.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/app/transfer/compare.h"
#include "core/app/transfer/held_messages.h"
#include "core/app/transfer/import_client.h"
#include "core/app/transfer/parallel.h"
#include "core/app/transfer/stop_flag.h"
#include "core/base/units.h"

namespace poplar::app {
namespace {

// For a maildrop that somebody has open: most sessions are over by then.
constexpr int kOpenTries = 50;
constexpr std::chrono::milliseconds kOpenAgain(100);

constexpr size_t kReadPieceBytes = 64 * kKiB;

bool EndsTheMailbox(const Status& status) {
  return status.code() == StatusCode::kUnavailable ||
         status.code() == StatusCode::kDeadlineExceeded;
}

// To its end. kDataLoss: the server does not give it.
Status ReadMessage(Pop3Client& client, uint32_t number) {
  POP_RETURN_IF_ERROR(client.Ask(number));
  POP_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> body, client.NextBody());
  std::string piece(kReadPieceBytes, '\0');
  while (true) {
    POP_ASSIGN_OR_RETURN(const size_t bytes, body->Read(piece));
    if (bytes == 0) return OkStatus();
  }
}

class MailboxImport {
 public:
  MailboxImport(const MailboxTask& task, const ImportOptions& options, Progress& progress)
      : task_(task), options_(options), progress_(progress) {
    report_.address = task.address;
    report_.place = task.place;
  }

  MailboxReport Run() && {
    report_.status = RunToEnd();
    if (!options_.all_details) report_.ForgetDetails();
    return std::move(report_);
  }

 private:
  Status RunToEnd() {
    auto opened = options_.open(task_);
    // What is not found here is no user of ours, but something that was named wrongly.
    report_.no_source = opened.status().code() == StatusCode::kNotFound;
    if (!opened.ok()) return opened.status();
    opened_ = std::move(*opened);
    const std::vector<SourceMessage>& messages = opened_.source->messages();
    report_.messages = messages.size();
    report_.notes = opened_.source->notes();
    const auto note = options_.notes_here.find(task_.address);
    if (note != options_.notes_here.end()) report_.notes.push_back(note->second);
    uint64_t bytes = 0;
    for (const SourceMessage& message : messages) {
      bytes += message.bytes;
      if (LeavesOut(message)) {
        ++report_.left_out;
        continue;
      }
      ++report_.uidls[static_cast<size_t>(message.fate)];
      if (message.fate != UidlFate::kKept) {
        report_.new_uidls.push_back(message.name + ": UIDL " + std::string(Name(message.fate)) +
                                    ", it gets " + message.uidl);
      } else if (options_.dry_run) {
        report_.kept_uidls.push_back(message.uidl);
      }
    }
    progress_.Found(messages.size(), bytes);
    if (options_.dry_run) {
      progress_.Did(messages.size(), bytes);
      return OkStatus();
    }
    POP_RETURN_IF_ERROR(ImportAll());
    if (options_.delete_there) {
      POP_RETURN_IF_ERROR(DeleteThere());
    } else if (opened_.client != nullptr) {
      opened_.client->Quit().IgnoreError();
    }
    if (!options_.compare_with) return OkStatus();
    POP_ASSIGN_OR_RETURN(const std::unique_ptr<Pop3Client> theirs, options_.compare_with(task_));
    POP_ASSIGN_OR_RETURN(const std::unique_ptr<Pop3Client> ours,
                         Pop3Client::OpenExport(options_.export_socket, task_.address));
    POP_ASSIGN_OR_RETURN(report_.comparison, CompareMaildrops(*theirs, *ours));
    return OkStatus();
  }

  bool LeavesOut(const SourceMessage& message) const {
    return options_.known_uidls_only && message.fate == UidlFate::kUnknown;
  }

  // The maildrop here. Where somebody has it open, waits a while if it `must` be seen.
  StatusOr<std::unique_ptr<Pop3Client>> OpenOurs(bool must) {
    auto ours = Pop3Client::OpenExport(options_.export_socket, task_.address);
    for (auto left = kOpenTries; must && !ours.ok() && EndsTheMailbox(ours.status()); --left) {
      if (left == 0) {
        return Annotate(ours.status(), "what is here already cannot be seen for now");
      }
      if (StopFlag::raised()) return MakeStatus(StatusCode::kCancelled, "interrupted");
      std::this_thread::sleep_for(kOpenAgain);
      ours = Pop3Client::OpenExport(options_.export_socket, task_.address);
    }
    return ours;
  }

  // What the maildrop holds. While somebody has it open that is not told, and the server says so of
  // each message instead; but only of its UIDL, so where it may be here under another one, waits a
  // while.
  StatusOr<std::unordered_set<std::string>> HeldUidls() {
    const std::vector<SourceMessage>& messages = opened_.source->messages();
    const bool must_tell =
        std::any_of(messages.begin(), messages.end(), &HeldMessages::MayHaveOtherUidl);
    std::unordered_set<std::string> held;
    const auto ours = OpenOurs(must_tell);
    if (!ours.ok()) {
      if (!must_tell && EndsTheMailbox(ours.status())) return held;
      return ours.status();
    }
    POP_ASSIGN_OR_RETURN(const std::vector<Pop3Message> listed, (*ours)->List());
    for (const Pop3Message& message : listed) held.insert(message.uidl);
    (*ours)->Quit().IgnoreError();
    return held;
  }

  Status ImportAll() {
    POP_ASSIGN_OR_RETURN(std::unordered_set<std::string> uidls, HeldUidls());
    const std::vector<SourceMessage>& messages = opened_.source->messages();
    HeldMessages held(messages, std::move(uidls));
    std::vector<size_t> wanted;
    for (size_t i = 0; i < messages.size(); ++i) {
      const SourceMessage& message = messages[i];
      if (!LeavesOut(message)) {
        const std::string uidl = held.Find(message);
        if (uidl.empty()) {
          wanted.push_back(i);
          continue;
        }
        ++report_.already_there;
        there_before_.push_back({i, uidl});
        if (uidl != message.uidl) {
          --report_.uidls[static_cast<size_t>(UidlFate::kKept)];
          report_.AddOtherUidl(message.name + ": here its UIDL is " + uidl + ", there " +
                               message.uidl);
        }
      }
      progress_.Did(1, message.bytes);
    }
    opened_.source->Expect(wanted);
    for (const size_t i : wanted) {
      if (StopFlag::raised()) return MakeStatus(StatusCode::kCancelled, "interrupted");
      POP_RETURN_IF_ERROR(ImportOne(i));
      progress_.Did(1, messages[i].bytes);
    }
    if (client_.has_value()) client_->Quit();
    return OkStatus();
  }

  // An error ends the mailbox.
  Status ImportOne(size_t index) {
    const SourceMessage& message = opened_.source->messages()[index];
    auto source = opened_.source->Open(index);
    if (!source.ok()) {
      if (EndsTheMailbox(source.status()) && opened_.client != nullptr) return source.status();
      NoteFailure(message, Message(source.status()));
      return OkStatus();
    }
    if (!client_.has_value()) {
      POP_ASSIGN_OR_RETURN(client_, ImportClient::Connect(options_.import_socket));
    }
    CountingSource counted(**source);
    auto result = client_->Import(task_.address, {message.uidl, message.received_us}, counted);
    if (!result.ok()) {
      client_.reset();
      if (counted.failed().ok()) return result.status();
      if (opened_.client != nullptr) return counted.failed();
      NoteFailure(message, Message(counted.failed()));  // Nothing of it was stored.
      return OkStatus();
    }
    switch (result->outcome) {
      case ImportOutcome::kStored:
        ++report_.moved;
        report_.bytes += counted.bytes();
        stored_.push_back(index);
        break;
      case ImportOutcome::kAlreadyThere:
        ++report_.already_there;
        there_before_.push_back({index, message.uidl});
        break;
      case ImportOutcome::kRefused:
        NoteFailure(message, result->why);
        break;
    }
    return OkStatus();
  }

  void NoteFailure(const SourceMessage& message, std::string_view why) {
    report_.AddFailure(message.name + ": not imported: " + std::string(why));
  }

  // What this run stored is durable, and as it came. What was here before may have been damaged
  // since; then nobody has a good copy but the other server.
  Status DeleteThere() {
    POP_ASSIGN_OR_RETURN(std::vector<size_t> deletable, SoundOfThoseBefore());
    deletable.insert(deletable.end(), stored_.begin(), stored_.end());
    const std::vector<SourceMessage>& messages = opened_.source->messages();
    for (const size_t i : deletable) {
      POP_RETURN_IF_ERROR(opened_.client->Delete(messages[i].number));
    }
    return opened_.client->Quit();
  }

  // All read by the socket of exports, which gives only what is as it was delivered.
  StatusOr<std::vector<size_t>> SoundOfThoseBefore() {
    std::vector<size_t> sound;
    if (there_before_.empty()) return sound;
    POP_ASSIGN_OR_RETURN(const std::unique_ptr<Pop3Client> ours, OpenOurs(/*must=*/true));
    POP_ASSIGN_OR_RETURN(const std::vector<Pop3Message> listed, ours->List());
    std::unordered_map<std::string_view, uint32_t> numbers;
    for (const Pop3Message& message : listed) numbers.emplace(message.uidl, message.number);
    for (const Held& held : there_before_) {
      if (StopFlag::raised()) return MakeStatus(StatusCode::kCancelled, "interrupted");
      const auto number = numbers.find(held.uidl);
      if (number == numbers.end()) continue;  // Gone since; the next run will see.
      const std::string& name = opened_.source->messages()[held.index].name;
      const Status read = ReadMessage(*ours, number->second);
      if (read.ok()) {
        sound.push_back(held.index);
      } else if (read.code() == StatusCode::kDataLoss) {
        report_.AddDamaged(name + ": not deleted there: " + std::string(Message(read)));
      } else {
        return Annotate(read, name + " cannot be read here");
      }
    }
    ours->Quit().IgnoreError();
    return sound;
  }

  // Tells a source that broke from a server that did.
  class CountingSource final : public ByteSource {
   public:
    explicit CountingSource(ByteSource& source) : source_(source) {}
    StatusOr<size_t> Read(std::span<char> into) override {
      auto got = source_.Read(into);
      if (got.ok()) bytes_ += *got;
      if (!got.ok()) failed_ = got.status();
      return got;
    }
    uint64_t bytes() const { return bytes_; }
    const Status& failed() const { return failed_; }

   private:
    ByteSource& source_;
    uint64_t bytes_ = 0;
    Status failed_;
  };

  struct Held {
    size_t index;
    std::string uidl;  // Here.
  };

  const MailboxTask& task_;
  const ImportOptions& options_;
  Progress& progress_;
  MailboxReport report_;
  OpenedMailbox opened_;
  std::optional<ImportClient> client_;
  // Messages of the source that are in the maildrop.
  std::vector<size_t> stored_;  // By this run.
  std::vector<Held> there_before_;
};

}  // namespace

std::vector<MailboxReport> RunImports(const std::vector<MailboxTask>& tasks,
                                      const ImportOptions& options, Progress& progress) {
  return RunParallel(tasks, options.jobs, options.done, progress, [&](const MailboxTask& task) {
    return MailboxImport(task, options, progress).Run();
  });
}

}  // namespace poplar::app
