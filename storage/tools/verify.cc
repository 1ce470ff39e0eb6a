#include "storage/tools/verify.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
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
  uint64_t uidl_checksum = 0;
  uint32_t maildrop = 0;  // In keys_.
  bool met = false;
};

// A blob that a living message names.
struct BlobCheck {
  std::string key;
  MessageEntry entry;
  uint64_t checksum = 0;
};

// What a record and the index must agree on: not what befell the message since it was written.
MessageEntry AsWritten(MessageEntry entry) {
  entry.flags &= kEntryImported | kEntryInBlob;
  entry.day = 0;
  return entry;
}

std::string KeyOf(const Record& record) {
  return EncodeMaildropKey({record.tenant, std::string(record.account)});
}

class PartitionCheck final : private LogVisitor {
 public:
  PartitionCheck(const VerifyOptions& options, const Superblock& superblock, uint32_t partition,
                 VerifyReport& report)
      : options_(options),
        env_(*options.env),
        superblock_(superblock),
        partition_(partition),
        directory_(PartitionDirectory(options.path, partition)),
        survey_options_{&env_, directory_ + "/log", superblock.store_id, partition, Lsn(), true},
        report_(report) {
    progress_.partition = partition;
    progress_.partitions = superblock.partitions;
  }

  Status Run() {
    Status index = ReadIndex();
    if (index.code() == StatusCode::kDataLoss) {
      Tell(Lsn(), 0, "the index: " + std::string(Message(index)));
    } else if (!index.ok() && index.code() != StatusCode::kNotFound) {
      return index;  // One that is not there is no damage: everything stands in the log.
    }
    POP_RETURN_IF_ERROR(ReadLog());
    NameLost();
    CheckBlobs();
    CountMessages();
    Advance(0);
    return OkStatus();
  }

 private:
  Status ReadIndex() {
    POP_ASSIGN_OR_RETURN(const auto index,
                         Index::OpenToRead({directory_ + "/index", options_.index_map_bytes,
                                            options_.index_engine}));
    POP_ASSIGN_OR_RETURN(const std::optional<IndexMeta> meta, index->ReadMeta());
    if (!meta.has_value()) return OkStatus();  // Everything stands in the log.
    if (meta->store_id != superblock_.store_id || meta->partition != partition_) {
      return MakeStatus(StatusCode::kDataLoss, "it is of another store or partition");
    }
    POP_ASSIGN_OR_RETURN(keys_, index->ReadMaildropKeys());
    for (uint32_t i = 0; i < keys_.size(); ++i) {
      const MaildropKey key = DecodeMaildropKey(keys_[i]);
      const StatusOr<std::shared_ptr<MessageList>> list = index->Load(keys_[i]);
      if (!list.ok()) {
        TellDamage({Lsn(), 0, std::string(Message(list.status())), key, MessageId(0)});
        continue;
      }
      if (PlacePartition(superblock_, key) != partition_) {
        TellDamage({Lsn(), 0, "a maildrop is in the wrong partition", key, MessageId(0)});
      }
      Expect(**list, i);
    }
    std::sort(expected_.begin(), expected_.end(),
              [](const Expected& a, const Expected& b) { return a.entry.lsn < b.entry.lsn; });
    for (size_t i = 1; i < expected_.size(); ++i) {
      if (expected_[i].entry.lsn == expected_[i - 1].entry.lsn) {
        TellOf(expected_[i], "two messages of lists stand in one place");
      }
    }
    checkpoint_ = meta->checkpoint;
    POP_ASSIGN_OR_RETURN(const auto segments, index->ReadSegments());
    CompareLive(segments);
    POP_ASSIGN_OR_RETURN(const auto tenants, index->ReadTenants());
    CompareTenants(tenants);
    POP_ASSIGN_OR_RETURN(const auto blobs, index->ReadBlobs());
    CompareBlobs(blobs);
    return OkStatus();
  }

  void Expect(const MessageList& list, uint32_t maildrop) {
    uint32_t hint = 0;
    for (uint32_t position = 0; position < list.count(); ++position) {
      const MessageEntry& entry = list.At(position, hint);
      const uint64_t uidl = Checksum(list.ImportedUidl(position, hint));
      if (entry.kept() != IsKeptKey(keys_[maildrop])) {
        TellDamage({entry.lsn, 0, "a message is in the list of kept mail, or should be",
                    DecodeMaildropKey(keys_[maildrop]), entry.id});
      }
      expected_.push_back({entry, uidl, maildrop});
      if (entry.blob != BlobId(0)) progress_.bytes_total += entry.wire_bytes;
    }
  }

  // What the index thinks is alive in each segment, against its own lists.
  void CompareLive(const std::map<uint32_t, SegmentStats>& segments) {
    std::map<uint32_t, SegmentStats> counted;
    for (const auto& [number, stats] : segments) counted[number];
    for (const Expected& expected : expected_) {
      SegmentStats& stats = counted[expected.entry.lsn.segment()];
      stats.live_bytes += RecordBytes(keys_[expected.maildrop], expected.entry);
      ++stats.live_records;
    }
    for (const auto& [number, count] : counted) {
      const auto known = segments.find(number);
      const SegmentStats stats = known != segments.end() ? known->second : SegmentStats();
      if (count.live_bytes == stats.live_bytes && count.live_records == stats.live_records)
        continue;
      Tell(Lsn(number, 0), 0,
           "the index counts " + std::to_string(stats.live_bytes) + " living octets, its lists " +
               std::to_string(count.live_bytes));
    }
  }

  // What the index thinks each tenant has, against its own lists.
  void CompareTenants(const std::map<TenantId, TenantTotals>& tenants) {
    std::map<TenantId, TenantTotals> counted;
    for (const auto& [tenant, totals] : tenants) counted[tenant];
    for (const Expected& expected : expected_) {
      const std::string& key = keys_[expected.maildrop];
      TenantTotals& totals = counted[DecodeMaildropKey(key).tenant];
      ++(IsKeptKey(key) ? totals.kept_messages : totals.messages);
      (IsKeptKey(key) ? totals.kept_octets : totals.octets) += expected.entry.octets;
    }
    for (const auto& [tenant, totals] : counted) {
      const auto known = tenants.find(tenant);
      if (known != tenants.end() ? known->second == totals : totals == TenantTotals()) continue;
      TellDamage({Lsn(),
                  0,
                  "the index does not count what a tenant has as its lists do",
                  {tenant, {}},
                  MessageId(0)});
    }
  }

  // The blobs that the index names by message, against its own lists.
  void CompareBlobs(const std::map<MessageId, BlobId>& blobs) {
    size_t named = 0;
    for (const Expected& expected : expected_) {
      if (expected.entry.blob == BlobId(0)) continue;
      ++named;
      const auto found = blobs.find(expected.entry.id);
      if (found == blobs.end() || found->second != expected.entry.blob) {
        TellOf(expected, "the index does not know the blob of a message");
      }
    }
    if (blobs.size() > named) {
      Tell(Lsn(), 0,
           "the index knows " + std::to_string(blobs.size()) + " blobs, its lists " +
               std::to_string(named));
    }
  }

  Status ReadLog() {
    const DamageHandler tell = [this](const Damage& damage) { in_log_.push_back(damage); };
    POP_ASSIGN_OR_RETURN(LogSurvey survey, SurveyLog(survey_options_, tell));
    const Lsn proven = std::max(survey.proven, checkpoint_);
    for (const SurveyedSegment& segment : survey.segments) progress_.bytes_total += segment.bytes;
    for (const SurveyedSegment& segment : survey.segments) {
      if (segment.sound) {
        POP_ASSIGN_OR_RETURN(const std::string bytes, ReadSegment(survey_options_, segment, tell));
        WalkSegment(bytes, {segment.number, segment.salt, Lsn(), segment.end, proven}, *this);
      }
      ++report_.segments;
      report_.segment_bytes += segment.bytes;
      Advance(segment.bytes);
    }
    return OkStatus();
  }

  void OnRecord(const Record& record, Lsn at) override {
    ++report_.records;
    if (at >= checkpoint_) Follow(record, at);
    if (!record.is_message()) return;
    auto found = std::lower_bound(
        expected_.begin(), expected_.end(), at,
        [](const Expected& expected, Lsn lsn) { return expected.entry.lsn < lsn; });
    // None: it was deleted, or is newer.
    for (; found != expected_.end() && found->entry.lsn == at; ++found) Meet(*found, record);
  }

  void Meet(Expected& expected, const Record& record) {
    expected.met = true;
    const std::string& key = keys_[expected.maildrop];
    const MessageEntry written = EntryOf(record, expected.entry.lsn);
    const std::string plain = KeyOf(record);
    const bool same = key == (expected.entry.kept() ? KeptKeyOf(plain) : plain) &&
                      written.kept() == ((expected.entry.flags & kEntryKeptInRecord) != 0) &&
                      AsWritten(written) == AsWritten(expected.entry) &&
                      Checksum(record.uidl()) == expected.uidl_checksum;
    if (!same) TellOf(expected, "a record is not what the index says");
    if (expected.entry.blob != BlobId(0)) {
      blobs_.push_back({key, expected.entry, record.body_checksum});
    }
  }

  // The index does not know this record yet: the next start will replay it.
  void Follow(const Record& record, Lsn at) {
    const std::string key = KeyOf(record);
    if (record.kind == RecordKind::kExpunge) {
      auto& ids = (record.flags & kRecordKept) != 0 ? kept_ : expunged_;
      for (const Expunged& each : DecodeExpunged(record.body)) ids.insert(each.id.value());
    } else if (record.kind == RecordKind::kRemove) {
      // One that compaction carried forward stands behind later ones.
      MessageId& before = removed_[key];
      before = std::max(before, record.id);
      removed_[KeptKeyOf(key)] = before;
    } else if (record.is_message()) {
      const bool moved = record.kind == RecordKind::kMove || record.kind == RecordKind::kMoveRef;
      if (moved && checkpoint_ != Lsn()) return;  // The index has it, in its old place.
      if (record.kept_message()) kept_.insert(record.id.value());
      if (record.restored()) expunged_.insert(record.restores().value());
      const BlobCheck check{key, EntryOf(record, at), record.body_checksum};
      later_.insert_or_assign(record.id.value(), check);
      if (check.entry.blob != BlobId(0)) progress_.bytes_total += check.entry.wire_bytes;
    }
  }

  void OnDamage(const Damage& damage) override { in_log_.push_back(damage); }

  // What is damaged in the log, and the messages that were not met. Where a damage lies within a
  // message's record, it is named once: as what befell that message.
  void NameLost() {
    const auto before = [](const Damage& damage, uint64_t at) { return damage.at.value() < at; };
    std::stable_sort(in_log_.begin(), in_log_.end(),
                     [](const Damage& a, const Damage& b) { return a.at < b.at; });
    std::vector<bool> named(in_log_.size());
    for (const Expected& expected : expected_) {
      const std::string& key = keys_[expected.maildrop];
      if (expected.met || Deleted(expected.entry.id, key)) continue;
      std::string what = "a message of a list is not where the index says";
      const uint64_t begin = expected.entry.lsn.value();
      const uint64_t end = begin + RecordBytes(key, expected.entry);
      auto damage = std::lower_bound(in_log_.begin(), in_log_.end(), begin, before);
      for (; damage != in_log_.end() && damage->at.value() < end; ++damage) {
        if (damage->at.value() + damage->bytes > end) continue;
        what = damage->what;
        named[static_cast<size_t>(damage - in_log_.begin())] = true;
      }
      TellOf(expected, std::move(what));
    }
    for (size_t i = 0; i < in_log_.size(); ++i) {
      if (!named[i]) TellDamage(in_log_[i]);
    }
  }

  // By a record that the index does not know yet.
  bool Deleted(MessageId id, const std::string& key) const {
    if (expunged_.contains(id.value())) return true;
    const auto removed = removed_.find(key);
    return removed != removed_.end() && id < removed->second;
  }

  // Last, as blobs of messages that the log deletes may be gone.
  void CheckBlobs() {
    for (const auto& [id, check] : later_) {
      if (check.entry.blob != BlobId(0)) blobs_.push_back(check);
    }
    for (const BlobCheck& check : blobs_) {
      if (!Deleted(check.entry.id, check.key)) CheckBlob(check);
    }
  }

  void CheckBlob(const BlobCheck& check) {
    ++report_.blobs;
    const auto tell = [&](std::string what) {
      TellDamage({check.entry.lsn, check.entry.wire_bytes, std::move(what),
                  DecodeMaildropKey(check.key), check.entry.id});
    };
    const auto file = env_.OpenToRead(directory_ + "/blobs/" + BlobName(check.entry.blob));
    if (!file.ok()) return tell("a blob: " + std::string(Message(file.status())));
    StreamingChecksum sum;
    std::string piece(kReadPieceBytes, '\0');
    uint64_t at = 0;
    while (true) {
      const StatusOr<size_t> got = (*file)->ReadAt(piece, at);
      if (!got.ok()) return tell("a blob: " + std::string(Message(got.status())));
      sum.Update(std::string_view(piece).substr(0, *got));
      at += *got;
      Advance(*got);
      if (*got < piece.size()) break;
    }
    report_.blob_bytes += at;
    if (at != check.entry.wire_bytes || sum.Digest() != check.checksum) tell("a blob is damaged");
  }

  void CountMessages() {
    std::unordered_set<std::string_view> holding;  // Maildrops, by keys that are kept here.
    const auto count = [&](MessageId id, const std::string& key) {
      if (Deleted(id, key)) return;
      const bool is_kept = IsKeptKey(key) || kept_.contains(id.value());
      ++(is_kept ? report_.kept_messages : report_.messages);
      if (!is_kept) holding.insert(key);
    };
    for (const Expected& expected : expected_) count(expected.entry.id, keys_[expected.maildrop]);
    for (const auto& [id, message] : later_) count(message.entry.id, message.key);
    report_.maildrops += holding.size();
  }

  void Advance(uint64_t bytes) {
    progress_.bytes_read += bytes;
    if (options_.on_progress) options_.on_progress(progress_);
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
  const Superblock& superblock_;
  const uint32_t partition_;
  const std::string directory_;
  const LogSurveyOptions survey_options_;
  VerifyReport& report_;
  VerifyProgress progress_;
  Lsn checkpoint_;
  std::vector<std::string> keys_;
  std::vector<Expected> expected_;  // By LSN.
  std::vector<Damage> in_log_;
  // What the log says behind the checkpoint.
  std::unordered_map<uint64_t, BlobCheck> later_;  // Messages, by id.
  std::unordered_set<uint64_t> expunged_;
  std::unordered_set<uint64_t> kept_;
  std::unordered_map<std::string, MessageId> removed_;
  std::vector<BlobCheck> blobs_;
};

}  // namespace

StatusOr<VerifyReport> VerifyStore(const VerifyOptions& options) {
  VerifyOptions filled = options;
  if (filled.env == nullptr) filled.env = &SystemEnv();
  POP_ASSIGN_OR_RETURN(const Superblock superblock, ReadSuperblock(*filled.env, filled.path));
  POP_ASSIGN_OR_RETURN(const auto lock, filled.env->LockToRead(filled.path + "/lock"));
  VerifyReport report;
  for (const char* name : kSuperblockNames) {
    const Status sound = ReadSuperblockFile(*filled.env, filled.path + "/" + name).status();
    const bool missing = sound.code() == StatusCode::kNotFound && name == kSuperblockNames.front();
    if (sound.code() != StatusCode::kDataLoss && !missing) continue;  // An old store has no copy.
    ++report.damages;
    const Damage damage{Lsn(), 0, std::string(Message(sound)), {}, MessageId(0)};
    if (filled.on_damage) filled.on_damage(0, damage);
  }
  for (uint32_t p = 0; p < superblock.partitions; ++p) {
    const Status status = PartitionCheck(filled, superblock, p, report).Run();
    if (!status.ok()) return Annotate(status, PartitionDirectory(filled.path, p));
    ++report.partitions;
  }
  return report;
}

}  // namespace poplar::storage
