#include "core/app/transfer/maildir.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

#include "core/app/transfer/peeked_source.h"
#include "core/app/transfer/source_folder.h"
#include "core/app/transfer/uidlists.h"

namespace poplar::app {
namespace {

constexpr size_t kHeaderBytesMax = 64 * 1024;
constexpr int64_t kSecondUs = 1'000'000;

constexpr const char* kDovecotList = "dovecot-uidlist";
constexpr const char* kCourierList = "courierpop3dsizelist";

struct MaildirFile {
  std::string place;  // In the Maildir: "cur/…".
  std::string base_name;
  int64_t received_us = 0;
  uint64_t bytes = 0;
  // From the old server's list.
  bool listed = false;
  std::string old_uidl;
  uint64_t order = UINT64_MAX;
};

// The number that a name begins with: the second of its arrival.
int64_t SecondOf(std::string_view base_name) {
  int64_t second = 0;
  std::from_chars(base_name.data(), base_name.data() + base_name.size(), second);
  return second;
}

bool ArrivedBefore(const MaildirFile& a, const MaildirFile& b) {
  const int64_t a_second = SecondOf(a.base_name);
  const int64_t b_second = SecondOf(b.base_name);
  return a_second != b_second ? a_second < b_second : a.base_name < b.base_name;
}

bool LooksCompressed(std::string_view begin) {
  using std::string_view_literals::operator""sv;
  constexpr std::array<std::string_view, 4> kMagics = {"\x1f\x8b"sv, "BZh9"sv,
                                                       "\xfd"
                                                       "7zXZ"sv,
                                                       "\x28\xb5\x2f\xfd"sv};
  return std::any_of(kMagics.begin(), kMagics.end(),
                     [begin](std::string_view magic) { return begin.starts_with(magic); });
}

class Maildir final : public MailboxSource {
 public:
  Maildir(std::string path, MaildirOptions options, SourceFolder folder)
      : path_(std::move(path)), options_(std::move(options)), folder_(std::move(folder)) {}

  Status Scan() {
    POP_RETURN_IF_ERROR(FindFiles("new"));
    POP_RETURN_IF_ERROR(FindFiles("cur"));  // So what moves there meanwhile is not missed.
    if (no_files_ > 0) {
      notes_.push_back(std::to_string(no_files_) + (no_files_ == 1 ? " is a link" : " are links") +
                       ", or no files: links in a mailbox are not followed");
    }
    POP_RETURN_IF_ERROR(CountSubfolders());
    POP_RETURN_IF_ERROR(TakeOldUidls());
    if (options_.header_first) TakeHeaders();
    std::sort(files_.begin(), files_.end(), [](const MaildirFile& a, const MaildirFile& b) {
      return a.order != b.order ? a.order < b.order : ArrivedBefore(a, b);
    });
    UidlGiver giver;
    for (const MaildirFile& file : files_) {
      SourceMessage& message = messages_.emplace_back();
      message.name = path_ + "/" + file.place;
      message.received_us = file.received_us;
      message.bytes = file.bytes;
      message.stable_name = file.base_name;
      giver.Give(file.old_uidl, file.base_name, message);
    }
    return OkStatus();
  }

  StatusOr<std::unique_ptr<ByteSource>> Open(size_t message) override {
    auto opened = folder_.OpenFile(files_[message].place);
    if (opened.status().code() == StatusCode::kNotFound) {  // Its flags changed meanwhile.
      POP_ASSIGN_OR_RETURN(const std::string now, PlaceNow(files_[message]));
      opened = folder_.OpenFile(now);
    }
    if (!opened.ok()) return opened.status();
    std::unique_ptr<ByteSource> source = std::move(*opened);
    constexpr size_t kMagicBytes = 8;
    POP_ASSIGN_OR_RETURN(std::string begin, ReadBegin(*source, kMagicBytes));
    if (LooksCompressed(begin)) {
      return MakeStatus(StatusCode::kDataLoss,
                        messages_[message].name + " is compressed; unpack it first");
    }
    return std::make_unique<PeekedSource>(std::move(source), std::move(begin));
  }

 private:
  Status FindFiles(const std::string& folder) {
    POP_ASSIGN_OR_RETURN(const std::vector<std::string> names, folder_.Names(folder));
    for (const std::string& name : names) {
      if (name.starts_with('.')) continue;
      MaildirFile file;
      file.place = folder + "/" + name;
      file.base_name = MaildirBaseName(name);
      POP_ASSIGN_OR_RETURN(const auto found, folder_.Look(file.place));
      if (!found.has_value()) continue;  // Its flags changed just now, or it was deleted.
      if (S_ISDIR(found->st_mode) || file.base_name.empty()) continue;
      if (!S_ISREG(found->st_mode)) ++no_files_;  // Named when it is its turn.
      file.received_us = ReceivedUsOf(
          file.base_name, found->st_mtim.tv_sec * kSecondUs + found->st_mtim.tv_nsec / 1000);
      file.bytes = static_cast<uint64_t>(found->st_size);
      const auto [place, is_new] = places_.emplace(file.base_name, files_.size());
      if (is_new) {
        files_.push_back(std::move(file));
      } else {
        files_[place->second] = std::move(file);
      }
    }
    return OkStatus();
  }

  StatusOr<std::string> PlaceNow(const MaildirFile& file) const {
    POP_ASSIGN_OR_RETURN(const std::vector<std::string> names, folder_.Names("cur"));
    for (const std::string& name : names) {
      if (MaildirBaseName(name) == file.base_name) return "cur/" + name;
    }
    return MakeStatus(StatusCode::kNotFound, path_ + "/" + file.place + " was deleted meanwhile");
  }

  Status CountSubfolders() {
    POP_ASSIGN_OR_RETURN(const std::vector<std::string> names, folder_.Names("."));
    const auto is_maildir = [this](const std::string& name) {
      if (!name.starts_with('.')) return false;
      const auto found = folder_.Look(name + "/cur");
      return found.ok() && found->has_value() && S_ISDIR((*found)->st_mode);
    };
    const auto subfolders = std::count_if(names.begin(), names.end(), is_maildir);
    if (subfolders > 0) {
      notes_.push_back(std::to_string(subfolders) +
                       (subfolders == 1 ? " subfolder is" : " subfolders are") +
                       " left out: POP3 knows the inbox only");
    }
    return OkStatus();
  }

  Status TakeOldUidls() {
    UidlSource source = options_.uidls;
    const auto has = [this](const char* name) {
      const auto found = folder_.Look(name);
      return found.ok() && found->has_value();
    };
    if (source == UidlSource::kAuto && has(kDovecotList)) source = UidlSource::kDovecot;
    if (source == UidlSource::kAuto && has(kCourierList)) source = UidlSource::kCourier;
    switch (source) {
      case UidlSource::kDovecot:
        return TakeDovecot();
      case UidlSource::kCourier:
        return TakeCourier(has(kCourierList));
      case UidlSource::kFilename:
        for (MaildirFile& file : files_) file.old_uidl = file.base_name;
        return OkStatus();
      case UidlSource::kAuto:
        notes_.emplace_back("it has no dovecot-uidlist and no courierpop3dsizelist");
        break;
    }
    return OkStatus();
  }

  std::unordered_map<std::string_view, MaildirFile*> ByBaseName() {
    std::unordered_map<std::string_view, MaildirFile*> by_name;
    for (MaildirFile& file : files_) by_name.emplace(file.base_name, &file);
    return by_name;
  }

  Status TakeDovecot() {
    POP_ASSIGN_OR_RETURN(const std::string text,
                         folder_.ReadSmallFile(kDovecotList, kUidlistBytesMax));
    POP_ASSIGN_OR_RETURN(const DovecotUidlist list, ParseDovecotUidlist(text));
    const auto by_name = ByBaseName();
    for (const DovecotUidlist::Entry& entry : list.entries) {
      const auto found = by_name.find(entry.base_name);
      if (found == by_name.end()) continue;
      MaildirFile& file = *found->second;
      file.listed = entry.pop3_uidl.has_value();  // A saved one counts more than a header.
      const uint64_t order = entry.pop3_order == 0 ? UINT32_MAX : entry.pop3_order;
      file.order = order << 32 | entry.uid;
      file.old_uidl = UidlOf(entry, list.uid_validity, options_.format);
    }
    return OkStatus();
  }

  Status TakeCourier(bool has_list) {
    if (!has_list) {
      for (MaildirFile& file : files_) file.old_uidl = CourierUidlOfName(file.base_name);
      return OkStatus();
    }
    POP_ASSIGN_OR_RETURN(const std::string text,
                         folder_.ReadSmallFile(kCourierList, kUidlistBytesMax));
    POP_ASSIGN_OR_RETURN(const CourierList list, ParseCourierList(text));
    const auto by_name = ByBaseName();
    for (const CourierList::Entry& entry : list.entries) {
      const auto found = by_name.find(entry.base_name);
      if (found != by_name.end()) found->second->old_uidl = entry.uidl;
    }
    return OkStatus();
  }

  void TakeHeaders() {
    for (MaildirFile& file : files_) {
      if (file.listed) continue;
      const auto source = folder_.OpenFile(file.place);
      if (!source.ok()) continue;  // Named when it is its turn.
      const auto begin = ReadBegin(**source, kHeaderBytesMax);
      if (!begin.ok()) continue;
      const std::string_view uidl = HeaderField(*begin, "X-UIDL");
      if (!uidl.empty()) file.old_uidl = uidl;
    }
  }

  const std::string path_;
  const MaildirOptions options_;
  const SourceFolder folder_;
  uint64_t no_files_ = 0;
  std::vector<MaildirFile> files_;
  std::unordered_map<std::string, size_t> places_;  // By base name, while the files are found.
};

}  // namespace

int64_t ReceivedUsOf(std::string_view base_name, int64_t modified_us) {
  constexpr int64_t kSecondMax = 100'000'000'000;
  const int64_t second = SecondOf(base_name);
  if (second <= 0 || second > kSecondMax) return modified_us;
  int64_t micros = 0;
  const size_t dot = base_name.find(".M");
  if (dot != std::string_view::npos) micros = SecondOf(base_name.substr(dot + 2));
  if (micros < 0 || micros >= kSecondUs) micros = 0;
  return std::min(modified_us, second * kSecondUs + micros);
}

std::string_view HeaderField(std::string_view text, std::string_view name) {
  const auto equal = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    if (!std::equal(name.begin(), name.end(), line.begin(), equal)) continue;
    line.remove_prefix(name.size() + 1);
    while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
    while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);
    return line;
  }
  return {};
}

StatusOr<std::unique_ptr<MailboxSource>> OpenMaildir(const std::string& path,
                                                     const MaildirOptions& options,
                                                     size_t found_from) {
  POP_ASSIGN_OR_RETURN(SourceFolder folder, SourceFolder::Open(path, found_from));
  auto maildir = std::make_unique<Maildir>(path, options, std::move(folder));
  POP_RETURN_IF_ERROR(maildir->Scan());
  return maildir;
}

}  // namespace poplar::app
