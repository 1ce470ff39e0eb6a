#include "storage/segment/walker.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace poplar::storage {
namespace {

// A stretch of a segment: a batch, or a gap in which none was found.
struct Stretch {
  uint64_t begin = 0;
  uint64_t end = 0;  // Of a batch: unpadded.
  std::optional<BatchHead> batch;
};

struct FoundRecord {
  Record record;
  Lsn at;
};

class Walk {
 public:
  Walk(std::string_view bytes, const WalkOptions& options, LogVisitor& visitor)
      : bytes_(bytes), options_(options), visitor_(visitor), proven_(options.proven) {}

  WalkResult Run() {
    FindStretches();
    for (const Stretch& stretch : stretches_) {
      if (!Visit(stretch)) {
        result_.torn = true;
        return result_;
      }
    }
    return result_;
  }

 private:
  Lsn LsnAt(uint64_t offset) const { return Lsn(options_.segment, offset); }

  std::optional<BatchHead> BatchAt(uint64_t offset) const {
    auto head = DecodeBatchHead(bytes_.substr(offset), LsnAt(offset), options_.salt);
    if (head.has_value() && offset + head->bytes > bytes_.size()) return std::nullopt;
    return head;
  }

  void FindStretches() {
    uint64_t at = kFirstBatchOffset;
    if (options_.from > LsnAt(at)) at = RoundUp(options_.from.offset(), kBlockBytes);
    result_.end = LsnAt(at);
    const uint64_t limit = options_.end == kLsnMax
                               ? bytes_.size()
                               : std::min<uint64_t>(bytes_.size(), options_.end.offset());
    while (at < limit) {
      auto head = BatchAt(at);
      if (head.has_value()) {
        stretches_.push_back({at, at + head->bytes, head});
        proven_ = std::max(proven_, head->flushed);
        at = RoundUp(at + head->bytes, kBlockBytes);
        continue;
      }
      uint64_t next = at + kBlockBytes;
      while (next < limit && !BatchAt(next).has_value()) next += kBlockBytes;
      stretches_.push_back({at, std::min(next, limit), std::nullopt});
      at = next;
    }
    if (options_.end != kLsnMax && bytes_.size() < options_.end.offset()) {
      const uint64_t lost_from = std::max<uint64_t>(at, bytes_.size());
      visitor_.OnDamage({LsnAt(lost_from),
                         options_.end.offset() - lost_from,
                         "the file is cut short",
                         {},
                         MessageId(0)});
    }
  }

  // False: the log ends before this stretch.
  bool Visit(const Stretch& stretch) {
    if (stretch.batch.has_value()) return VisitBatch(stretch);
    const bool last = &stretch == &stretches_.back();
    if (last && options_.end == kLsnMax && !HoldsAnything(stretch)) return true;  // Never written.
    if (LsnAt(stretch.begin) >= ProvenEnd()) return false;
    visitor_.OnDamage({LsnAt(stretch.begin),
                       stretch.end - stretch.begin,
                       "no batch can be read here",
                       {},
                       MessageId(0)});
    FindRecords(stretch.begin, stretch.end);
    Deliver();
    result_.end = LsnAt(RoundUp(stretch.end, kBlockBytes));
    return true;
  }

  bool VisitBatch(const Stretch& stretch) {
    FindRecords(stretch.begin + kBatchHeadBytes, stretch.end);
    const bool whole = damages_.empty() && records_.size() == stretch.batch->records;
    if (!whole && LsnAt(stretch.begin) >= ProvenEnd()) return false;
    visitor_.OnBatch(*stretch.batch, LsnAt(stretch.begin));
    for (const Damage& damage : damages_) visitor_.OnDamage(damage);
    Deliver();
    ++result_.batches;
    result_.next_id = std::max(result_.next_id, stretch.batch->next_id);
    result_.end = LsnAt(RoundUp(stretch.end, kBlockBytes));
    return true;
  }

  // Everything before a known end had been flushed.
  Lsn ProvenEnd() const {
    return options_.end == kLsnMax ? proven_ : std::max(proven_, options_.end);
  }

  bool HoldsAnything(const Stretch& stretch) const {
    const std::string_view part = bytes_.substr(stretch.begin, stretch.end - stretch.begin);
    return part[0] != '\0' || std::memcmp(part.data(), part.data() + 1, part.size() - 1) != 0;
  }

  // Fills records_ and damages_ from [at, end).
  void FindRecords(uint64_t at, uint64_t end) {
    records_.clear();
    damages_.clear();
    uint64_t lost_from = at;
    while (at + kRecordFixedBytes <= end) {
      auto record = DecodeRecordHead(bytes_.substr(at, end - at), LsnAt(at), options_.salt);
      if (!record.has_value() || at + record->head_bytes() + record->body_bytes > end) {
        at += 8;
        continue;
      }
      NameLost(lost_from, at);
      record->body = bytes_.substr(at + record->head_bytes(), record->body_bytes);
      if (BodyIsSound(*record, record->body)) {
        records_.push_back({*record, LsnAt(at)});
      } else {
        damages_.push_back({LsnAt(at), record->log_bytes(), "the body of a record is damaged",
                            MaildropKey{record->tenant, std::string(record->account)}, record->id});
      }
      at += record->log_bytes();
      lost_from = at;
    }
    NameLost(lost_from, end);
  }

  void NameLost(uint64_t from, uint64_t to) {
    if (from < to && to - from >= kRecordFixedBytes) {
      damages_.push_back(
          {LsnAt(from), to - from, "the head of a record is damaged", {}, MessageId(0)});
    }
  }

  void Deliver() {
    for (const FoundRecord& found : records_) visitor_.OnRecord(found.record, found.at);
  }

  const std::string_view bytes_;
  const WalkOptions& options_;
  LogVisitor& visitor_;
  Lsn proven_;
  std::vector<Stretch> stretches_;
  std::vector<FoundRecord> records_;
  std::vector<Damage> damages_;
  WalkResult result_;
};

}  // namespace

WalkResult WalkSegment(std::string_view bytes, const WalkOptions& options, LogVisitor& visitor) {
  return Walk(bytes, options, visitor).Run();
}

std::optional<BatchHead> ReadFirstBatch(std::string_view bytes, uint32_t segment,
                                        std::optional<uint64_t> salt) {
  return DecodeBatchHead(bytes, Lsn(segment, kFirstBatchOffset), salt);
}

}  // namespace poplar::storage
