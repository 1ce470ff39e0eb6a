#include "storage/tools/dump.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <map>

#include "storage/blob/blob_writer.h"
#include "storage/engine/layout.h"
#include "storage/format/segment_format.h"
#include "storage/index/index.h"
#include "storage/segment/log_survey.h"
#include "storage/segment/walker.h"

namespace poplar::storage {
namespace {

constexpr size_t kIdsShown = 4;

[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

std::string Escaped(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\\') {
      text += "\\\\";
    } else if (c > ' ' && c <= '~') {
      text += c;
    } else {
      text += Format("\\x%02x", static_cast<unsigned char>(c));
    }
  }
  return text;
}

std::string HexText(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += Format("%02x", static_cast<unsigned char>(c));
  return text;
}

std::string MaildropText(const MaildropKey& key) {
  return Format("tenant=%" PRIu64, key.tenant.value()) + " account=" + Escaped(key.account);
}

const char* KindName(RecordKind kind) {
  switch (kind) {
    case RecordKind::kAdd:
      return "ADD";
    case RecordKind::kAddRef:
      return "ADD_REF";
    case RecordKind::kExpunge:
      return "EXPUNGE";
    case RecordKind::kRemove:
      return "REMOVE";
    case RecordKind::kMove:
      return "MOVE";
    case RecordKind::kMoveRef:
      return "MOVE_REF";
    case RecordKind::kRead:
      return "READ";
  }
  return "?";
}

// Which messages, and where their records stood.
std::string ExpungedText(std::string_view body, bool all) {
  const std::vector<Expunged> expunged = DecodeExpunged(body);
  std::string text = Format(" deleted=%zu ids=", expunged.size());
  for (size_t i = 0; i < expunged.size(); ++i) {
    if (!all && i == kIdsShown) return text + ",...";
    if (i > 0) text += ',';
    text += IdText(expunged[i].id.value()) + "@" + PlaceText(expunged[i].stood_at);
  }
  return text;
}

std::string KeptText(const KeptInfo& info) {
  return Format(" kept deleted_us=%" PRId64 " session=%" PRIu64, info.deleted_us, info.session);
}

// A record whose head and body are sound: others come as damage.
std::string RecordText(const Record& record, bool all_ids) {
  std::string text = KindName(record.kind);
  if (record.id != MessageId(0)) text += " id=" + IdText(record.id.value());
  text += " " + MaildropText({record.tenant, std::string(record.account)});
  text += Format(" head=%u body=%u time_us=%" PRId64, record.head_bytes(), record.body_bytes,
                 record.time_us);
  if (record.day != 0) text += Format(" day=%u", record.day);
  if (record.kind == RecordKind::kRead) {
    text += Format(" read=%zu", DecodeReadIds(record.body).size());
  } else if (record.kind == RecordKind::kExpunge) {
    text += Format(" session=%" PRIu64, record.reference) + ExpungedText(record.body, all_ids);
  } else if (record.kind != RecordKind::kRemove) {
    text += Format(" octets=%u wire=%u header=%u", record.octets, record.wire_bytes,
                   record.header_bytes);
    if (record.reference != 0) text += " blob=" + BlobName(BlobId(record.reference));
  }
  if (record.restored()) text += " restores=" + IdText(record.restores().value());
  if (record.moved_from != Lsn()) text += " from=" + PlaceText(record.moved_from);
  if (!record.uidl().empty()) text += " uidl=" + Escaped(record.uidl());
  if (record.kept_message()) text += KeptText(DecodeKeptInfo(record.text));
  if (record.kind == RecordKind::kExpunge && (record.flags & kRecordKept) != 0) text += " kept";
  if ((record.flags & kRecordPurge) != 0) text += " purge";
  if ((record.flags & kRecordRead) != 0) text += " read";
  if (record.carried()) text += " carried";
  return text + " checksum=ok";
}

class SegmentDump final : private LogVisitor {
 public:
  SegmentDump(const DumpSegmentOptions& options, const LineWriter& write)
      : options_(options), write_(write) {}

  StatusOr<DumpReport> Run() {
    Env& env = options_.env != nullptr ? *options_.env : SystemEnv();
    POP_ASSIGN_OR_RETURN(const auto file, env.OpenToRead(options_.file));
    POP_ASSIGN_OR_RETURN(const uint64_t bytes, file->Bytes());
    std::string content(std::min(bytes, kSegmentBytesMax), '\0');
    POP_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(content, 0));
    content.resize(got);
    WalkOptions walk;
    // Everything that is there, as if all of it had been flushed.
    walk.proven = kLsnMax;
    POP_RETURN_IF_ERROR(WriteHead(content, walk));
    if (!salt_known_) return report_;
    const WalkResult walked = WalkSegment(content, walk, *this);
    Flush();
    Line("end " + PlaceText(walked.end) +
         Format(" batches=%u records=%" PRIu64 " damages=%" PRIu64, walked.batches, records_,
                report_.damages));
    return report_;
  }

 private:
  Status WriteHead(std::string_view content, WalkOptions& walk) {
    const auto head = DecodeSegmentHead(content.substr(0, kBlockBytes));
    if (head.status().code() == StatusCode::kFailedPrecondition) return head.status();
    if (head.ok()) {
      Line(Format("segment %08x partition=%u epoch=%08x bytes=%" PRIu64 " created_us=%" PRId64
                  " salt=%016" PRIx64 " store=",
                  head->number, head->partition, head->epoch, head->bytes, head->created_us,
                  head->salt) +
           HexText({head->store_id.data(), head->store_id.size()}) + " checksum=ok");
      // One that the log has left was cut at its end, which is a block's.
      if (content.size() > head->bytes || content.size() % kBlockBytes != 0) {
        Damaged(Format("the file has %zu octets", content.size()));
      } else if (content.size() < head->bytes) {
        Line(Format("cut to %zu octets", content.size()));
      }
      walk.segment = head->number;
      walk.salt = head->salt;
      salt_known_ = true;
      return OkStatus();
    }
    Damaged(Message(head.status()));
    // The first batch knows the salt, and fits only where it was written.
    const std::string name = options_.file.substr(options_.file.rfind('/') + 1);
    const std::optional<uint32_t> number = SegmentNumberOf(name);
    const auto first = number.has_value() && content.size() > kFirstBatchOffset
                           ? ReadFirstBatch(content.substr(kFirstBatchOffset), *number, {})
                           : std::nullopt;
    if (!first.has_value()) {
      Damaged(
          "no salt is known: neither the head nor a first batch under the file's name is sound");
      return OkStatus();
    }
    walk.segment = *number;
    walk.salt = first->salt;
    salt_known_ = true;
    return OkStatus();
  }

  void OnBatch(const BatchHead& head, Lsn at) override {
    Flush();
    Line(PlaceText(at) +
         Format(" batch %u records=%u bytes=%u flushed=", head.sequence, head.records, head.bytes) +
         PlaceText(head.flushed) + " next_id=" + IdText(head.next_id) +
         Format(" time_us=%" PRId64, head.time_us));
  }

  void OnRecord(const Record& record, Lsn at) override {
    ++records_;
    std::vector<std::string>& lines = waiting_[at];
    lines.push_back(PlaceText(at) + "   " + RecordText(record, options_.bodies));
    if (options_.bodies && record.kind != RecordKind::kExpunge) AppendBody(record.body, lines);
  }

  static void AppendBody(std::string_view body, std::vector<std::string>& lines) {
    while (!body.empty()) {
      const size_t end = std::min(body.find('\n'), body.size() - 1) + 1;
      std::string line = "    | ";
      for (const char c : body.substr(0, end)) {
        const bool shown = (c >= ' ' && c <= '~') || static_cast<unsigned char>(c) >= 0x80;
        if (shown) {
          line += c;
        } else if (c != '\r' && c != '\n') {
          line += Format("\\x%02x", static_cast<unsigned char>(c));
        }
      }
      lines.push_back(line);
      body.remove_prefix(end);
    }
  }

  void OnDamage(const Damage& damage) override {
    ++report_.damages;
    std::string line = PlaceText(damage.at) + "   DAMAGED " + damage.what +
                       Format(", %" PRIu64 " octets", damage.bytes);
    if (!damage.maildrop.account.empty()) {
      line += " id=" + IdText(damage.id.value()) + " " + MaildropText(damage.maildrop);
    }
    waiting_[damage.at].push_back(line);
  }

  void Damaged(std::string_view what) {
    ++report_.damages;
    Line("DAMAGED " + std::string(what));
  }

  // What was found in a batch, in its order.
  void Flush() {
    for (const auto& [at, lines] : waiting_) {
      for (const std::string& line : lines) Line(line);
    }
    waiting_.clear();
  }

  void Line(std::string_view line) {
    ++report_.lines;
    write_(line);
  }

  const DumpSegmentOptions& options_;
  const LineWriter& write_;
  bool salt_known_ = false;
  uint64_t records_ = 0;
  std::map<Lsn, std::vector<std::string>> waiting_;
  DumpReport report_;
};

std::string EntryText(const MessageEntry& entry, std::string_view uidl) {
  return "id=" + IdText(entry.id.value()) + " at=" + PlaceText(entry.lsn) +
         Format(" received_us=%" PRId64 " octets=%u wire=%u header=%u day=%u", entry.received_us,
                entry.octets, entry.wire_bytes, entry.header_bytes, entry.day) +
         (entry.blob != BlobId(0) ? " blob=" + BlobName(entry.blob) : "") +
         " uidl=" + Escaped(uidl) + ((entry.flags & kEntryImported) != 0 ? " imported" : "") +
         ((entry.flags & kEntryRead) != 0 ? " read" : "");
}

void WriteList(const MessageList& list, const Superblock& superblock, uint32_t partition,
               const LineWriter& write) {
  uint32_t hint = 0;
  for (uint32_t i = 0; i < list.count(); ++i) {
    const MessageEntry& entry = list.At(i, hint);
    const std::string_view text = list.Text(i, hint);
    char own[kOwnUidlBytes];
    WriteUidl(superblock.tag(), partition, entry.id, own);
    const std::string_view uidl = UidlIn(entry, text);
    write(EntryText(entry, uidl.empty() ? std::string_view(own, kOwnUidlBytes) : uidl) +
          (entry.kept() ? KeptText(DecodeKeptInfo(text)) : ""));
  }
}

}  // namespace

StatusOr<DumpReport> DumpSegment(const DumpSegmentOptions& options, const LineWriter& write) {
  return SegmentDump(options, write).Run();
}

StatusOr<DumpReport> DumpMaildrop(const DumpMaildropOptions& options, const LineWriter& write) {
  Env& env = options.env != nullptr ? *options.env : SystemEnv();
  POP_ASSIGN_OR_RETURN(const Superblock superblock, ReadSuperblock(env, options.path));
  POP_ASSIGN_OR_RETURN(const auto lock, env.LockToRead(options.path + "/lock"));
  const uint32_t partition = PlacePartition(superblock, options.maildrop);
  const std::string directory = PartitionDirectory(options.path, partition) + "/index";
  POP_ASSIGN_OR_RETURN(const auto index, Index::OpenToRead({directory, options.index_map_bytes}));
  const std::string key = EncodeMaildropKey(options.maildrop);
  POP_ASSIGN_OR_RETURN(const std::optional<IndexMeta> meta, index->ReadMeta());
  const StatusOr<std::shared_ptr<MessageList>> list = index->Load(key);
  const StatusOr<std::shared_ptr<MessageList>> kept = index->Load(KeptKeyOf(key));
  for (const auto* each : {&list, &kept}) {
    if (each->ok()) continue;
    write("DAMAGED " + std::string(Message(each->status())));
    return DumpReport{1, 1};
  }
  if ((*list)->last_id() == MessageId(0) && (*kept)->last_id() == MessageId(0)) {
    return MakeStatus(StatusCode::kNotFound, "the index knows no such maildrop");
  }
  write("maildrop " + MaildropText(options.maildrop) +
        Format(" partition=%u messages=%u octets=%" PRIu64 " kept=%u last_id=", partition,
               (*list)->count(), (*list)->octets(), (*kept)->count()) +
        IdText((*list)->last_id().value()) +
        " checkpoint=" + PlaceText(meta.has_value() ? meta->checkpoint : Lsn()));
  WriteList(**list, superblock, partition, write);
  WriteList(**kept, superblock, partition, write);
  return DumpReport{uint64_t{1} + (*list)->count() + (*kept)->count(), 0};
}

}  // namespace poplar::storage
