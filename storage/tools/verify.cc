#include "storage/tools/verify.h"

#include <algorithm>
#include <map>
#include <vector>

#include "storage/blob/blob_writer.h"
#include "storage/engine/layout.h"
#include "storage/format/checksum.h"
#include "storage/index/index.h"
#include "storage/index/maildrop_table.h"
#include "storage/segment/log_survey.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kReadPieceBytes = kMiB;

// A message of a list, and whether its record was met.
struct Expected {
  MessageEntry entry;
  uint32_t maildrop = 0;  // In keys_.
  bool met = false;
};

bool IsMessage(RecordKind kind) {
  return kind != RecordKind::kExpunge && kind != RecordKind::kRemove;
}

class PartitionCheck final : private LogVisitor {
 public:
  PartitionCheck(const VerifyOptions& options, const Superblock& superblock, uint32_t partition,
                 VerifyReport& report)
      : options_(options),
        env_(*options.env),
        partition_(partition),
        directory_(PartitionDirectory(options.path, partition)),
        survey_options_{&env_, directory_ + "/log", superblock.store_id, partition, Lsn()},
        report_(report) {}

  Status Run() {
    Status index = ReadIndex();
    if (index.code() == StatusCode::kDataLoss) {
      Tell(Lsn(), 0, "the index: " + std::string(Message(index)));
    } else if (!index.ok()) {
      return index;
    }
    POP_RETURN_IF_ERROR(ReadLog());
    for (const Expected& expected : expected_) {
      if (!expected.met) TellOf(expected, "a message of a list is not where the index says");
    }
    return OkStatus();
  }

 private:
  Status ReadIndex() {
    POP_ASSIGN_OR_RETURN(
        const auto index,
        Index::Open({directory_ + "/index", options_.index_map_bytes, options_.index_engine}));
    POP_ASSIGN_OR_RETURN(const std::optional<IndexMeta> meta, index->ReadMeta());
    if (!meta.has_value()) return OkStatus();  // Everything stands in the log.
    checkpoint_ = meta->checkpoint;
    POP_ASSIGN_OR_RETURN(keys_, index->ReadMaildropKeys());
    for (uint32_t i = 0; i < keys_.size(); ++i) {
      const StatusOr<std::shared_ptr<MessageList>> list = index->Load(keys_[i]);
      if (list.ok()) {
        Expect(**list, i);
      } else {
        const MaildropKey key = DecodeMaildropKey(keys_[i]);
        TellDamage({Lsn(), 0, std::string(Message(list.status())), key, MessageId(0)});
      }
    }
    std::sort(expected_.begin(), expected_.end(),
              [](const Expected& a, const Expected& b) { return a.entry.lsn < b.entry.lsn; });
    report_.maildrops += keys_.size();
    report_.messages += expected_.size();
    POP_ASSIGN_OR_RETURN(const auto segments, index->ReadSegments());
    CompareLive(segments);
    return OkStatus();
  }

  void Expect(const MessageList& list, uint32_t maildrop) {
    uint32_t hint = 0;
    for (uint32_t position = 0; position < list.count(); ++position) {
      expected_.push_back({list.At(position, hint), maildrop});
    }
  }

  // What the index thinks is alive in each segment, against its own lists.
  void CompareLive(const std::map<uint32_t, SegmentStats>& segments) {
    std::map<uint32_t, SegmentStats> counted;
    for (const Expected& expected : expected_) {
      SegmentStats& stats = counted[expected.entry.lsn.segment()];
      stats.live_bytes += RecordBytes(keys_[expected.maildrop], expected.entry);
      ++stats.live_records;
    }
    for (const auto& [number, stats] : segments) {
      const SegmentStats& count = counted[number];
      if (count.live_bytes == stats.live_bytes && count.live_records == stats.live_records)
        continue;
      Tell(Lsn(number, 0), 0,
           "the index counts " + std::to_string(stats.live_bytes) + " living octets, its lists " +
               std::to_string(count.live_bytes));
    }
  }

  Status ReadLog() {
    const DamageHandler tell = [this](const Damage& damage) { TellDamage(damage); };
    POP_ASSIGN_OR_RETURN(LogSurvey survey, SurveyLog(survey_options_, tell));
    const Lsn proven = std::max(survey.proven, checkpoint_);
    for (const SurveyedSegment& segment : survey.segments) report_.total_bytes += segment.bytes;
    for (const SurveyedSegment& segment : survey.segments) {
      if (segment.sound) {
        POP_ASSIGN_OR_RETURN(const std::string bytes, ReadSegment(survey_options_, segment, tell));
        WalkSegment(bytes, {segment.number, segment.salt, Lsn(), segment.end, proven}, *this);
      }
      ++report_.segments;
      report_.segment_bytes += segment.bytes;
      if (options_.on_progress) options_.on_progress(report_);
    }
    return OkStatus();
  }

  void OnRecord(const Record& record, Lsn at) override {
    ++report_.records;
    if (!IsMessage(record.kind)) return;
    const auto found = std::lower_bound(
        expected_.begin(), expected_.end(), at,
        [](const Expected& expected, Lsn lsn) { return expected.entry.lsn < lsn; });
    if (found == expected_.end() || found->entry.lsn != at) return;  // Deleted, or newer.
    found->met = true;
    const MessageEntry& entry = found->entry;
    const std::string key = EncodeMaildropKey({record.tenant, std::string(record.account)});
    const bool same = key == keys_[found->maildrop] && record.id == entry.id &&
                      record.octets == entry.octets && record.wire_bytes == entry.wire_bytes &&
                      record.header_bytes == entry.header_bytes &&
                      record.reference == entry.blob.value();
    if (!same) TellOf(*found, "a record is not what the index says");
    if (entry.blob != BlobId(0)) CheckBlob(*found, record.body_checksum);
  }

  void OnDamage(const Damage& damage) override { TellDamage(damage); }

  void CheckBlob(const Expected& expected, uint64_t checksum) {
    ++report_.blobs;
    const auto file = env_.OpenToRead(directory_ + "/blobs/" + BlobName(expected.entry.blob));
    if (!file.ok()) return TellOf(expected, "a blob: " + std::string(Message(file.status())));
    StreamingChecksum sum;
    std::string piece(kReadPieceBytes, '\0');
    uint64_t at = 0;
    while (true) {
      const StatusOr<size_t> got = (*file)->ReadAt(piece, at);
      if (!got.ok()) return TellOf(expected, "a blob: " + std::string(Message(got.status())));
      sum.Update(std::string_view(piece).substr(0, *got));
      at += *got;
      if (*got < piece.size()) break;
    }
    report_.blob_bytes += at;
    if (at != expected.entry.wire_bytes || sum.Digest() != checksum) {
      TellOf(expected, "a blob is damaged");
    }
  }

  void Tell(Lsn at, uint64_t bytes, std::string what) {
    TellDamage({at, bytes, std::move(what), {}, MessageId(0)});
  }
  void TellOf(const Expected& expected, std::string what) {
    TellDamage({expected.entry.lsn, RecordBytes(keys_[expected.maildrop], expected.entry),
                std::move(what), DecodeMaildropKey(keys_[expected.maildrop]), expected.entry.id});
  }
  void TellDamage(const Damage& damage) {
    ++report_.damages;
    if (options_.on_damage) options_.on_damage(partition_, damage);
  }

  const VerifyOptions& options_;
  Env& env_;
  const uint32_t partition_;
  const std::string directory_;
  const LogSurveyOptions survey_options_;
  VerifyReport& report_;
  Lsn checkpoint_;
  std::vector<std::string> keys_;
  std::vector<Expected> expected_;  // By LSN.
};

}  // namespace

StatusOr<VerifyReport> VerifyStore(const VerifyOptions& options) {
  VerifyOptions filled = options;
  if (filled.env == nullptr) filled.env = &SystemEnv();
  POP_ASSIGN_OR_RETURN(const Superblock superblock, ReadSuperblock(*filled.env, filled.path));
  POP_ASSIGN_OR_RETURN(const auto lock, filled.env->Lock(filled.path + "/lock"));
  VerifyReport report;
  for (uint32_t p = 0; p < superblock.partitions; ++p) {
    const Status status = PartitionCheck(filled, superblock, p, report).Run();
    if (!status.ok()) return Annotate(status, PartitionDirectory(filled.path, p));
    ++report.partitions;
  }
  return report;
}

}  // namespace poplar::storage
