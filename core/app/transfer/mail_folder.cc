#include "core/app/transfer/mail_folder.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/app/transfer/dates.h"
#include "core/app/transfer/mail_writers.h"
#include "core/app/transfer/mbox.h"
#include "core/app/transfer/output_file.h"
#include "core/app/transfer/source_folder.h"
#include "core/app/transfer/uidlists.h"
#include "core/base/units.h"

namespace poplar::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFolderPieceBytes = 64 * 1024;
constexpr int64_t kUsASecond = 1'000'000;

Status RenameFile(const std::string& from, const std::string& to) {
  return std::rename(from.c_str(), to.c_str()) == 0 ? OkStatus() : ErrnoStatus(errno, to);
}

// Writes what `step` makes of the source's bytes, piece by piece.
template <class Step>
Status WritePieces(ByteSource& source, OutputFile& file, const Step& step) {
  std::string piece(kFolderPieceBytes, '\0');
  std::string made;
  while (true) {
    POP_ASSIGN_OR_RETURN(const size_t got, source.Read(piece));
    made.clear();
    step(std::string_view(piece).substr(0, got), made);
    POP_RETURN_IF_ERROR(file.Write(made));
    if (got == 0) return OkStatus();
  }
}

constexpr std::string_view kOurs = ".poplar";

// What an export names a message by, the same each time; sizes and flags follow it in its file's
// name.
std::string StemOf(const Pop3Message& message) {
  const XXH128_hash_t hash = XXH3_128bits(message.uidl.data(), message.uidl.size());
  const int64_t second = std::max<int64_t>(0, message.received_us / kUsASecond);
  const int64_t micros = std::max<int64_t>(0, message.received_us % kUsASecond);
  char name[128];
  std::snprintf(name, sizeof name, "%lld.M%06lldH%016llx%016llx", static_cast<long long>(second),
                static_cast<long long>(micros), static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return std::string(name).append(kOurs);
}

// The file's octets by its name: those behind `,S=`. Exports wrote none up to 2026-11.
std::optional<uint64_t> OctetsByName(std::string_view base_name) {
  constexpr std::string_view kSize = ",S=";
  const size_t at = base_name.find(kSize);
  if (at == std::string_view::npos) return std::nullopt;
  const char* const end = base_name.data() + base_name.size();
  uint64_t octets = 0;
  const auto parsed = std::from_chars(base_name.data() + at + kSize.size(), end, octets);
  if (parsed.ec != std::errc() || (parsed.ptr != end && *parsed.ptr != ',')) return std::nullopt;
  return octets;
}

// What the file has on the wire, where line ends are CRLF.
StatusOr<uint64_t> WireOctetsOf(const std::string& path) {
  POP_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> file, OpenFileSource(path));
  std::string piece(kFolderPieceBytes, '\0');
  uint64_t octets = 0;
  char last = '\0';
  while (true) {
    POP_ASSIGN_OR_RETURN(const size_t got, file->Read(piece));
    if (got == 0) return octets;
    octets += got;
    for (const char c : std::string_view(piece).substr(0, got)) {
      if (c == '\n' && last != '\r') ++octets;
      last = c;
    }
  }
}

class MaildirFolder final : public MailFolder {
 public:
  explicit MaildirFolder(std::string path)
      : path_(std::move(path)), list_path_(path_ + "/dovecot-uidlist") {}

  Status Open(const UidlFormat& format) {
    std::error_code error;
    for (const char* folder : {"/tmp", "/new", "/cur"}) {
      fs::create_directories(path_ + folder, error);
      if (error) return ErrnoStatus(error.value(), path_ + folder);
    }
    POP_ASSIGN_OR_RETURN(file_system_, FileSystemSync::Open(path_));
    for (const char* folder : {"/new", "/cur"}) {
      for (fs::directory_iterator file(path_ + folder, error), end; !error && file != end;
           file.increment(error)) {
        NoteFile(file->path().string());
      }
      if (error) return ErrnoStatus(error.value(), path_ + folder);
    }
    POP_ASSIGN_OR_RETURN(const SourceFolder folder, SourceFolder::Open(path_));
    const auto text = folder.ReadSmallFile("dovecot-uidlist", kUidlistBytesMax);
    if (text.status().code() == StatusCode::kNotFound) return OkStatus();
    if (!text.ok()) return text.status();
    auto list = ParseDovecotUidlist(*text);
    if (!list.ok()) return Annotate(list.status(), path_);
    list_ = std::move(*list);
    for (const DovecotUidlist::Entry& entry : list_.entries) {
      if (!held_.contains(entry.base_name)) continue;
      held_uidls_.insert(UidlOf(entry, list_.uid_validity, format));
    }
    return OkStatus();
  }

  // What came from a Maildir before its UIDL was known has its file's name.
  bool Holds(const Pop3Message& message) const override {
    const auto ours = ours_.find(StemOf(message));
    if (ours != ours_.end()) return IsWhole(ours->second, message);
    return held_.contains(message.uidl) || held_uidls_.contains(message.uidl);
  }

  Status Add(const Pop3Message& message, ByteSource& source) override {
    std::string stem = StemOf(message);
    const std::string arriving = ArrivingPath(stem);
    const auto octets = WriteFile(arriving, message, source);
    if (!octets.ok()) {
      std::error_code ignored;
      fs::remove(arriving, ignored);
      return octets.status();
    }
    // In the place of what is broken, whose name others know.
    const auto broken = ours_.find(stem);
    std::string path = broken != ours_.end()
                           ? broken->second
                           : path_ + "/cur/" + stem + ",S=" + std::to_string(*octets) +
                                 ",W=" + std::to_string(message.octets) + ":2,";
    arriving_.emplace_back(std::move(stem), std::move(path));
    arriving_octets_ += *octets;
    const bool full = arriving_.size() >= kArrivingMax || arriving_octets_ >= kArrivingOctetsMax;
    return full ? Publish() : OkStatus();
  }

  // Dovecot gives each message the UIDL of its field P. What its list says of other messages stays,
  // and numbers that were given.
  Status Finish(const std::vector<Pop3Message>& listed) override {
    POP_RETURN_IF_ERROR(Publish());
    std::map<uint32_t, std::string> lines;  // Dovecot wants them in order.
    std::unordered_map<std::string, const DovecotUidlist::Entry*> entries;
    for (const DovecotUidlist::Entry& entry : list_.entries) {
      lines.emplace(entry.uid, entry.line);
      entries.emplace(entry.base_name, &entry);
    }
    uint32_t next = list_.next_uid;
    for (const Pop3Message& message : listed) {
      const auto ours = ours_.find(StemOf(message));
      if (ours == ours_.end()) continue;
      const std::string name(MaildirBaseName(ours->second));
      const auto found = entries.find(name);
      if (found != entries.end() && found->second->pop3_uidl == message.uidl) continue;
      const uint32_t uid = found != entries.end() ? found->second->uid : next++;
      lines[uid] = std::to_string(uid) + " P" + message.uidl + " :" + name;
    }
    if (list_.uid_validity == 0) list_.uid_validity = static_cast<uint32_t>(std::time(nullptr));
    std::string text = "3 V" + std::to_string(list_.uid_validity) + " N" + std::to_string(next) +
                       list_.other_fields + "\n";
    for (const auto& [uid, line] : lines) text += line + "\n";
    POP_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(list_path_ + ".tmp"));
    POP_RETURN_IF_ERROR(file.Write(text));
    POP_RETURN_IF_ERROR(file.Sync());
    POP_RETURN_IF_ERROR(RenameFile(list_path_ + ".tmp", list_path_));
    return file_system_.Sync();
  }

 private:
  // Synchronized together: one by one costs a disk several times as long.
  static constexpr size_t kArrivingMax = 256;
  static constexpr uint64_t kArrivingOctetsMax = 64 * kMiB;

  void NoteFile(std::string path) {
    std::string base_name(MaildirBaseName(path));
    std::string stem = base_name.substr(0, base_name.find(','));
    if (stem.ends_with(kOurs)) ours_.emplace(std::move(stem), std::move(path));
    held_.insert(std::move(base_name));
  }

  // A power cut may have taken a file's end, or all but its name.
  static bool IsWhole(const std::string& path, const Pop3Message& message) {
    if (const auto octets = OctetsByName(MaildirBaseName(path)); octets.has_value()) {
      struct stat found{};
      return stat(path.c_str(), &found) == 0 && static_cast<uint64_t>(found.st_size) == *octets;
    }
    const auto octets = WireOctetsOf(path);
    return octets.ok() && *octets == message.octets;
  }

  std::string ArrivingPath(const std::string& stem) const { return path_ + "/tmp/" + stem; }

  // The octets that it has.
  static StatusOr<uint64_t> WriteFile(const std::string& path, const Pop3Message& message,
                                      ByteSource& source) {
    POP_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
    LineEndConverter converter;
    POP_RETURN_IF_ERROR(WritePieces(source, file, [&](std::string_view bytes, std::string& made) {
      converter.Feed(bytes, made);
      if (bytes.empty()) converter.Finish(made);
    }));
    POP_RETURN_IF_ERROR(file.SetModified(message.received_us));
    return file.bytes();
  }

  // Makes durable what arrived, and only then a part of the mailbox.
  Status Publish() {
    const auto arrived = std::exchange(arriving_, {});
    arriving_octets_ = 0;
    if (arrived.empty()) return OkStatus();
    POP_RETURN_IF_ERROR(file_system_.Sync());
    for (const auto& [stem, path] : arrived) {
      POP_RETURN_IF_ERROR(RenameFile(ArrivingPath(stem), path));
      ours_.insert_or_assign(stem, path);
    }
    return OkStatus();
  }

  const std::string path_;
  const std::string list_path_;
  FileSystemSync file_system_;
  DovecotUidlist list_;                                // As it was found.
  std::unordered_map<std::string, std::string> ours_;  // What exports wrote: stems and paths.
  std::unordered_set<std::string> held_;               // Base names, as they were found.
  std::unordered_set<std::string> held_uidls_;         // By the list.
  std::vector<std::pair<std::string, std::string>> arriving_;  // In tmp: stems, and paths to be.
  uint64_t arriving_octets_ = 0;
};

class MboxFile final : public MailFolder {
 public:
  MboxFile(std::string path, OutputFile file) : path_(std::move(path)), file_(std::move(file)) {}
  ~MboxFile() override {
    std::error_code ignored;
    if (!finished_) fs::remove(path_ + ".tmp", ignored);
  }

  bool Holds(const Pop3Message& /*message*/) const override { return false; }

  Status Add(const Pop3Message& message, ByteSource& source) override {
    const uint64_t before = file_.bytes();
    std::string head(kExportedFrom);
    AppendFromDate(message.received_us / kUsASecond, head);
    POP_RETURN_IF_ERROR(file_.Write(head + "\nX-UIDL: " + message.uidl + "\n"));
    LineEndConverter converter;
    FromQuoter quoter;
    std::string lines;
    Status written = WritePieces(source, file_, [&](std::string_view bytes, std::string& made) {
      lines.clear();
      converter.Feed(bytes, lines);
      if (bytes.empty()) converter.Finish(lines);
      quoter.Feed(lines, made);
      if (bytes.empty()) quoter.Finish(made);
    });
    if (written.ok()) return file_.Write("\n");
    POP_RETURN_IF_ERROR(file_.Truncate(before));
    return written;
  }

  Status Finish(const std::vector<Pop3Message>& /*listed*/) override {
    POP_RETURN_IF_ERROR(file_.Sync());
    POP_RETURN_IF_ERROR(RenameFile(path_ + ".tmp", path_));
    finished_ = true;
    POP_ASSIGN_OR_RETURN(const FileSystemSync file_system, FileSystemSync::Open(path_));
    return file_system.Sync();  // The name, too.
  }

 private:
  const std::string path_;
  OutputFile file_;
  bool finished_ = false;
};

}  // namespace

StatusOr<std::unique_ptr<MailFolder>> OpenMaildirFolder(const std::string& path,
                                                        const UidlFormat& format) {
  auto folder = std::make_unique<MaildirFolder>(path);
  POP_RETURN_IF_ERROR(folder->Open(format));
  return folder;
}

StatusOr<std::unique_ptr<MailFolder>> OpenMboxFile(const std::string& path) {
  struct stat found{};
  if (lstat(path.c_str(), &found) == 0) {
    return MakeStatus(StatusCode::kAlreadyExists, path + " is there already; move it away");
  }
  POP_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path + ".tmp"));
  return std::make_unique<MboxFile>(path, std::move(file));
}

}  // namespace poplar::app
