#include "core/app/transfer/cyrus.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "core/app/transfer/uidlists.h"

namespace poplar::app {
namespace {

// Offsets in the head, all numbers 32 bits, big-endian.
constexpr size_t kMinorVersionAt = 8;
constexpr size_t kStartAt = 12;
constexpr size_t kRecordBytesAt = 16;
constexpr size_t kRecordsAt = 20;
// A head of at most so many octets is of the time before large quotas, when all behind those stood
// four octets earlier.
constexpr uint32_t kSmallHeadBytes = 76;
constexpr uint32_t kHeadBytesMin = 44;
constexpr size_t kValidityAt = 44;
constexpr size_t kOptionsAt = 60;
constexpr uint32_t kNewUidls = 1;
constexpr uint32_t kMinorVersionMax = 19;
// In heads since version 13, all of which are large.
constexpr uint32_t kHasShowAfterVersion = 13;
constexpr size_t kShowAfterAt = 112;
// In a record.
constexpr size_t kUidAt = 0;
constexpr size_t kReceivedAt = 4;
constexpr size_t kFlagsAt = 32;
constexpr size_t kRecordBytesMin = 36;
constexpr uint32_t kExpunged = 1U << 31;
constexpr uint32_t kUnlinked = 1U << 30;
constexpr uint32_t kArchived = 1U << 29;

uint32_t Number(std::string_view bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

class CyrusFolder final : public MailboxSource {
 public:
  explicit CyrusFolder(std::string path) : path_(std::move(path)) {}

  Status Scan(const UidlFormat& format) {
    POP_ASSIGN_OR_RETURN(const std::string bytes,
                         ReadSmallFile(path_ + "/cyrus.index", kUidlistBytesMax));
    auto index = ParseCyrusIndex(bytes);
    if (!index.ok()) return Annotate(index.status(), path_);
    std::sort(index->entries.begin(), index->entries.end(),
              [](const auto& a, const auto& b) { return a.uid < b.uid; });
    UidlGiver giver;
    uint64_t elsewhere = 0;
    for (const CyrusIndex::Entry& entry : index->entries) {
      SourceMessage& message = messages_.emplace_back();
      message.name = path_ + "/" + std::to_string(entry.uid) + ".";
      message.received_us = entry.received_us;
      struct stat found{};
      if (stat(message.name.c_str(), &found) == 0) {
        message.bytes = static_cast<uint64_t>(found.st_size);
      } else if (entry.archived) {
        ++elsewhere;
      }
      const std::string uid = std::to_string(entry.uid);
      giver.Give(index->new_uidls ? format.Expand({entry.uid, index->uid_validity, "", ""}) : uid,
                 uid, message);
    }
    if (!index->new_uidls) notes_.emplace_back("its UIDLs are UIDs alone, as its index says");
    Note(index->hidden, "left out, which its pop3showafter hides from POP3");
    Note(elsewhere, "on the archive partition: import a folder with links to all files");
    return OkStatus();
  }

  StatusOr<std::unique_ptr<ByteSource>> Open(size_t message) override {
    return OpenFileSource(messages_[message].name);
  }

 private:
  void Note(uint64_t count, const char* what) {
    if (count == 0) return;
    notes_.push_back(std::to_string(count) + (count == 1 ? " message " : " messages ") + what);
  }

  const std::string path_;
};

}  // namespace

StatusOr<CyrusIndex> ParseCyrusIndex(std::string_view bytes) {
  const auto refuse = [](std::string_view why) {
    return MakeStatus(StatusCode::kInvalidArgument, "cyrus.index " + std::string(why));
  };
  if (bytes.size() < kHeadBytesMin) return refuse("is too short");
  const uint32_t version = Number(bytes, kMinorVersionAt);
  const uint32_t start = Number(bytes, kStartAt);
  const uint32_t record_bytes = Number(bytes, kRecordBytesAt);
  const uint64_t records = Number(bytes, kRecordsAt);
  if (version == 0 || version > kMinorVersionMax) {
    return refuse("is of version " + std::to_string(version) + ", which is not known here");
  }
  const bool is_small = start <= kSmallHeadBytes;
  const size_t shift = is_small ? 4 : 0;
  if (start < kHeadBytesMin || start > bytes.size() || record_bytes < kRecordBytesMin) {
    return refuse("is damaged");
  }
  if (records > (bytes.size() - start) / record_bytes) return refuse("is shorter than it says");
  CyrusIndex index;
  index.uid_validity = Number(bytes, kValidityAt - shift);
  const bool has_options = start >= kOptionsAt - shift + 4;
  index.new_uidls = has_options && (Number(bytes, kOptionsAt - shift) & kNewUidls) != 0;
  const bool has_show_after = version >= kHasShowAfterVersion && start >= kShowAfterAt + 4;
  const uint32_t show_after = has_show_after ? Number(bytes, kShowAfterAt) : 0;
  for (uint64_t i = 0; i < records; ++i) {
    const std::string_view record = bytes.substr(start + i * record_bytes, record_bytes);
    CyrusIndex::Entry entry;
    entry.uid = Number(record, kUidAt);
    const uint32_t received_s = Number(record, kReceivedAt);
    entry.received_us = int64_t{received_s} * 1'000'000;
    const uint32_t flags = Number(record, kFlagsAt);
    entry.archived = (flags & kArchived) != 0;
    if (entry.uid == 0 || (flags & (kExpunged | kUnlinked)) != 0) continue;
    if (show_after != 0 && received_s <= show_after) {
      ++index.hidden;
    } else {
      index.entries.push_back(entry);
    }
  }
  return index;
}

StatusOr<std::unique_ptr<MailboxSource>> OpenCyrus(const std::string& path,
                                                   const UidlFormat& format) {
  auto folder = std::make_unique<CyrusFolder>(path);
  POP_RETURN_IF_ERROR(folder->Scan(format));
  return folder;
}

}  // namespace poplar::app
