#include "core/app/transfer/mbox.h"

#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "core/app/transfer/dates.h"
#include "core/app/transfer/maildir.h"
#include "core/app/transfer/source_folder.h"
#include "core/base/fd.h"

namespace poplar::app {
namespace {

constexpr size_t kMboxPieceBytes = 256 * 1024;
constexpr std::string_view kQuoted = ">From ";
// No line that matters is longer: of a longer one only the beginning is looked at.
constexpr size_t kLookedAtMax = 1024;

template <class Number>
bool ParseWhole(std::string_view text, Number& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return !text.empty() && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

// Where one message lies.
struct Place {
  uint64_t begin = 0;  // Behind its From line.
  uint64_t end = 0;    // Before the blank line that separates it from the next.
};

// What the scan learns of a message.
struct FoundMessage {
  Place place;
  int64_t received_us = 0;
  uint32_t uid = 0;
  std::string uidl;
  bool is_exported = false;  // By us, with `uidl` in front.
  bool is_folder_data = false;
  XXH128_hash_t hash{};
};

// Finds messages in a file that comes line by line.
class Scanner {
 public:
  explicit Scanner(std::vector<FoundMessage>& found) : found_(found), state_(XXH3_createState()) {}
  ~Scanner() { XXH3_freeState(state_); }
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;

  uint32_t uid_validity() const { return uid_validity_; }

  // `begin` is the line's beginning, without its end, at most kLookedAtMax; `bytes` all of it.
  // False: the file does not begin as an mbox does.
  bool Line(std::string_view begin, uint64_t at, uint64_t bytes) {
    if (after_blank_) {
      if (const auto second = ParseFromLine(begin); second.has_value()) {
        EndMessage(blank_at_);
        FoundMessage& message = found_.emplace_back();
        message.place = {at + bytes, at + bytes};
        message.received_us = *second * 1'000'000;
        XXH3_128bits_reset(state_);
        at_exported_ = begin.starts_with(kExportedFrom);
        blanks_ = 0;
        in_header_ = true;
        after_blank_ = false;
        return true;
      }
    }
    if (found_.empty()) return begin.empty();
    if (std::exchange(at_exported_, false) && TakeExported(begin, at + bytes)) return true;
    after_blank_ = begin.empty();
    if (after_blank_) blank_at_ = at;
    if (!in_header_ || !IsBookkeeping(begin)) Hash(begin, bytes);
    if (in_header_) in_header_ = Header(begin);
    return true;
  }
  void Finish(uint64_t size) { EndMessage(after_blank_ ? blank_at_ : size); }

 private:
  void EndMessage(uint64_t end) {
    if (found_.empty()) return;
    found_.back().place.end = std::max(found_.back().place.begin, end);
    found_.back().hash = XXH3_128bits_digest(state_);
  }

  // The field that an export put in front: no part of the message.
  bool TakeExported(std::string_view line, uint64_t behind) {
    const std::string_view uidl = HeaderField(line, "X-UIDL");
    if (uidl.empty()) return false;
    FoundMessage& message = found_.back();
    message.uidl = uidl;
    message.is_exported = true;
    message.place = {behind, behind};
    return true;
  }

  // What servers change while a message lies there.
  static bool IsBookkeeping(std::string_view line) {
    constexpr std::array<std::string_view, 8> kFields = {"Status",     "X-Status",      "X-UID",
                                                         "X-UIDL",     "X-IMAPbase",    "X-IMAP",
                                                         "X-Keywords", "Content-Length"};
    return std::any_of(kFields.begin(), kFields.end(),
                       [line](auto field) { return !HeaderField(line, field).empty(); });
  }

  // Blank lines count with what follows them: those at the end are no part of a message.
  void Hash(std::string_view begin, uint64_t bytes) {
    if (begin.empty()) {
      ++blanks_;
      return;
    }
    const std::array<uint64_t, 2> numbers = {std::exchange(blanks_, 0), bytes};
    XXH3_128bits_update(state_, numbers.data(), sizeof numbers);
    XXH3_128bits_update(state_, begin.data(), begin.size());
  }

  bool Header(std::string_view line) {
    if (line.empty()) return false;
    FoundMessage& message = found_.back();
    const std::string_view uid = HeaderField(line, "X-UID");
    const std::string_view uidl = HeaderField(line, "X-UIDL");
    std::string_view base = HeaderField(line, "X-IMAPbase");
    if (!uid.empty()) ParseWhole(uid, message.uid);
    if (message.uidl.empty()) message.uidl = uidl;
    if (found_.size() > 1) return true;  // The rest stands in the first message.
    if (base.empty()) {
      base = HeaderField(line, "X-IMAP");
      message.is_folder_data = !message.is_exported && (message.is_folder_data || !base.empty());
    }
    if (!base.empty()) ParseWhole(base.substr(0, base.find(' ')), uid_validity_);
    return true;
  }

  std::vector<FoundMessage>& found_;
  XXH3_state_t* const state_;
  uint32_t uid_validity_ = 0;
  bool after_blank_ = true;
  bool in_header_ = false;
  bool at_exported_ = false;  // Behind the From line of an export.
  uint64_t blank_at_ = 0;
  uint64_t blanks_ = 0;  // Since the last line that was hashed.
};

class MboxMessage final : public ByteSource {
 public:
  MboxMessage(int fd, Place place, bool mboxo, const std::string& path)
      : fd_(fd), place_(place), path_(path), unquoter_(mboxo) {}

  StatusOr<size_t> Read(std::span<char> into) override {
    while (ready_.size() == taken_ && place_.begin < place_.end) {
      std::string piece(std::min<uint64_t>(kMboxPieceBytes, place_.end - place_.begin), '\0');
      const ssize_t got = pread(fd_, piece.data(), piece.size(), static_cast<off_t>(place_.begin));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(errno, path_);
      if (got == 0) return MakeStatus(StatusCode::kUnavailable, path_ + " has become shorter");
      place_.begin += static_cast<uint64_t>(got);
      ready_.clear();
      taken_ = 0;
      unquoter_.Feed(std::string_view(piece).substr(0, static_cast<size_t>(got)), ready_);
      if (place_.begin == place_.end) unquoter_.Finish(ready_);
    }
    const size_t bytes = std::min(into.size(), ready_.size() - taken_);
    std::copy_n(ready_.begin() + static_cast<ptrdiff_t>(taken_), bytes, into.begin());
    taken_ += bytes;
    return bytes;
  }

 private:
  const int fd_;
  Place place_;
  const std::string& path_;
  FromUnquoter unquoter_;
  std::string ready_;
  size_t taken_ = 0;
};

class Mbox final : public MailboxSource {
 public:
  Mbox(std::string path, MboxOptions options, base::UniqueFd fd)
      : path_(std::move(path)), options_(std::move(options)), fd_(std::move(fd)) {}

  Status Scan() {
    std::vector<FoundMessage> found;
    Scanner scanner(found);
    POP_RETURN_IF_ERROR(ReadLines(scanner));
    UidlGiver giver;
    for (size_t i = 0; i < found.size(); ++i) {
      const FoundMessage& each = found[i];
      if (each.is_folder_data) {
        notes_.emplace_back("the folder's internal data is left out");
        continue;
      }
      places_.push_back(each.place);
      SourceMessage& message = messages_.emplace_back();
      message.name = path_ + ", message " + std::to_string(i + 1);
      message.received_us = each.received_us;
      message.bytes = each.place.end - each.place.begin;
      message.stable_name = StableName(each);
      giver.Give(OldUidl(each, scanner.uid_validity()), message.stable_name, message);
    }
    return OkStatus();
  }

  StatusOr<std::unique_ptr<ByteSource>> Open(size_t message) override {
    return std::make_unique<MboxMessage>(fd_.get(), places_[message], options_.mboxo, path_);
  }

 private:
  std::string OldUidl(const FoundMessage& found, uint32_t uid_validity) const {
    const bool has_uid = found.uid != 0 && uid_validity != 0;
    const bool by_header = found.is_exported || (options_.header_first && !found.uidl.empty());
    if (!has_uid || by_header) return found.uidl;
    return options_.format.Expand({found.uid, uid_validity, "", ""});
  }

  // What the message says names it: a mailbox that is compacted does not change that.
  static std::string StableName(const FoundMessage& found) {
    return "mbox " + std::to_string(found.hash.high64) + " " + std::to_string(found.hash.low64);
  }

  Status ReadLines(Scanner& scanner) {
    std::string piece(kMboxPieceBytes, '\0');
    std::string line;  // Its beginning.
    uint64_t line_at = 0;
    uint64_t at = 0;
    const auto not_mbox = [this] {
      return MakeStatus(StatusCode::kInvalidArgument,
                        path_ + " is no mbox: it does not begin with a From line");
    };
    while (true) {
      const ssize_t got = pread(fd_.get(), piece.data(), piece.size(), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(errno, path_);
      if (got == 0) break;
      std::string_view rest(piece.data(), static_cast<size_t>(got));
      while (!rest.empty()) {
        const size_t end = rest.find('\n');
        const std::string_view part = rest.substr(0, end == rest.npos ? end : end + 1);
        line += part.substr(0, kLookedAtMax - std::min(kLookedAtMax, line.size()));
        at += part.size();
        rest.remove_prefix(part.size());
        if (end == rest.npos) break;
        if (!scanner.Line(WithoutEnd(line), line_at, at - line_at)) return not_mbox();
        line.clear();
        line_at = at;
      }
    }
    if (at > line_at && !scanner.Line(WithoutEnd(line), line_at, at - line_at)) return not_mbox();
    scanner.Finish(at);
    return OkStatus();
  }

  static std::string_view WithoutEnd(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  const std::string path_;
  const MboxOptions options_;
  const base::UniqueFd fd_;
  std::vector<Place> places_;  // Of messages_.
};

}  // namespace

StatusOr<std::unique_ptr<MailboxSource>> OpenMbox(const std::string& path,
                                                  const MboxOptions& options, size_t found_from) {
  POP_ASSIGN_OR_RETURN(base::UniqueFd fd, OpenNamed(path, found_from, kFileSourceFlags));
  struct stat found{};
  if (fstat(fd.get(), &found) != 0) return ErrnoStatus(errno, path);
  if (!S_ISREG(found.st_mode)) {
    return MakeStatus(StatusCode::kInvalidArgument, path + " is no file");
  }
  auto mbox = std::make_unique<Mbox>(path, options, std::move(fd));
  POP_RETURN_IF_ERROR(mbox->Scan());
  return mbox;
}

void FromUnquoter::Feed(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    if (!held_.empty()) {
      if (held_.size() < kQuoted.size() && kQuoted[held_.size()] == c) {
        held_ += c;
        if (held_ != kQuoted) continue;
        out.append(kQuoted.substr(1));
        held_.clear();
        continue;
      }
      if (held_.size() == 1 && c == '>' && !mboxo_) {  // One of them is held; which, is the same.
        out += c;
        continue;
      }
      Release(out);
    } else if (at_line_start_ && c == '>') {
      held_ = c;
      at_line_start_ = false;
      continue;
    }
    out += c;
    at_line_start_ = c == '\n';
  }
}

void FromUnquoter::Release(std::string& out) {
  out += held_;
  held_.clear();
}

void FromUnquoter::Finish(std::string& out) { Release(out); }

}  // namespace poplar::app
