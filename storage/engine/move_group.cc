#include "storage/engine/move_group.h"

#include <utility>

#include "core/base/check.h"
#include "storage/engine/partition.h"
#include "storage/format/checksum.h"

namespace poplar::storage {
namespace {

constexpr size_t kRecordsMax = 64;
constexpr uint64_t kBytesMax = 256 * kKiB;

Status AppendFailed(AppendOutcome outcome, std::string_view what) {
  return MakeStatus(
      outcome == AppendOutcome::kFull ? StatusCode::kResourceExhausted : StatusCode::kUnavailable,
      what);
}

}  // namespace

void MoveMetrics::Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const {
  registry.Add(moved_messages, "poplar_store_moved_messages_total",
               "Messages that compaction appended again.", labels);
  registry.Add(moved_bytes, "poplar_store_moved_bytes_total", "Octets of their records.", labels);
  registry.Add(carried_records, "poplar_store_carried_records_total",
               "Deletions that compaction carried forward.", labels);
}

// One message on its way to another place.
class MoveGroup::Mover final : private MaildropWaiter, private LogAppend {
 public:
  explicit Mover(MoveGroup& group) : group_(group) {}

  void Start(const PlacedRecord& placed) {
    placed_ = &placed;
    const Record& old = placed.record;
    key_ = EncodeMaildropKey({old.tenant, std::string(old.account)});
    if (old.kept_message()) key_ = KeptKeyOf(key_);
    group_.partition_.WithList(key_, *this);
  }

 private:
  void MaildropReady(MaildropState* maildrop, const Status& why) override {
    const CpuMeter::Slice slice(group_.cpu_);
    if (maildrop == nullptr) {
      group_.status_ = Annotate(why, "a maildrop's list");
      return group_.RecordEnded();
    }
    const MessageEntry* const entry = maildrop->list->Find(placed_->record.id);
    if (entry == nullptr || entry->lsn != placed_->at) {
      // Deleted since, it may be kept.
      if (IsKeptKey(key_) || !group_.partition_.table().HasKept(placed_->record.tenant)) {
        return group_.RecordEnded();
      }
      key_ = KeptKeyOf(key_);
      return group_.partition_.WithList(key_, *this);
    }
    if (maildrop->deletions > 0) {
      group_.postponed_.push_back(placed_);
      return group_.RecordEnded();
    }
    maildrop_ = maildrop;
    ++maildrop_->pins;
    ++maildrop_->moves;
    MakeRecord(*entry);
    room = group_.may_use_reserve_ ? LogRoom::kReserve : LogRoom::kOrdinary;
    group_.bytes_ += record.log_bytes();
    group_.partition_.log().Append(*this);
  }

  // As the old one, with what befell the message since.
  void MakeRecord(const MessageEntry& entry) {
    record = placed_->record;
    record.kind = record.in_blob() ? RecordKind::kMoveRef : RecordKind::kMove;
    record.moved_from = placed_->at;
    record.day = entry.day;
    record.flags &= kRecordImported;
    if ((entry.flags & kEntryRead) != 0) record.flags |= kRecordRead;
    if (entry.kept()) record.flags |= kRecordKept;
    text_ = maildrop_->list->TextOf(entry.id);
    record.text = text_;
  }

  void Appended(AppendOutcome outcome, Lsn at) override {
    const CpuMeter::Slice slice(group_.cpu_);
    MaildropState& maildrop = *std::exchange(maildrop_, nullptr);
    MaildropTable& table = group_.partition_.table();
    if (outcome == AppendOutcome::kDurable) {
      table.Move(maildrop, record.id, record.moved_from, at);
      group_.metrics_.moved_messages.Add();
      group_.metrics_.moved_bytes.Add(record.log_bytes());
      group_.partition_.Applied();
    } else {
      group_.status_ = AppendFailed(outcome, "a record could not be moved");
    }
    --maildrop.moves;
    table.Unpin(maildrop);
    group_.RecordEnded();
  }

  MoveGroup& group_;
  const PlacedRecord* placed_ = nullptr;
  std::string key_;   // Of the list that is looked at.
  std::string text_;  // Of the new record.
  MaildropState* maildrop_ = nullptr;
};

// One deletion on its way forward.
class MoveGroup::Carrier final : private LogAppend {
 public:
  explicit Carrier(MoveGroup& group) : group_(group) {}

  void Start(Carried carried) {
    body_ = std::move(carried.body);
    waits_for_ = std::move(carried.waits_for);
    record = carried.record;
    record.body = body_;
    record.body_bytes = static_cast<uint32_t>(body_.size());
    record.body_checksum = Checksum(body_);
    room = group_.may_use_reserve_ ? LogRoom::kReserve : LogRoom::kOrdinary;
    group_.bytes_ += record.log_bytes();
    group_.partition_.log().Append(*this);
  }

 private:
  void Appended(AppendOutcome outcome, Lsn at) override {
    const CpuMeter::Slice slice(group_.cpu_);
    if (outcome == AppendOutcome::kDurable) {
      group_.metrics_.carried_records.Add();
      group_.CountCarried(at.segment(), waits_for_);
    } else {
      group_.status_ = AppendFailed(outcome, "a deletion could not be carried forward");
    }
    group_.RecordEnded();
  }

  MoveGroup& group_;
  std::string body_;
  std::map<uint32_t, uint64_t> waits_for_;
};

MoveGroup::MoveGroup(Partition& partition, CpuMeter& cpu, void* owner, Handler ended)
    : partition_(partition), cpu_(cpu), owner_(owner), ended_(ended) {}

MoveGroup::~MoveGroup() { POP_CHECK(outstanding_ == 0 && waiting_ == nullptr); }

void MoveGroup::Begin(uint32_t segment, bool may_use_reserve) {
  POP_CHECK(outstanding_ == 0);
  segment_ = segment;
  may_use_reserve_ = may_use_reserve;
  weighing_ = false;
  movers_used_ = carriers_used_ = weighed_ = 0;
  bytes_ = 0;
  status_ = OkStatus();
  outstanding_ = 1;  // Until Close: answers may come before.
}

void MoveGroup::BeginWeighing(uint32_t segment) {
  Begin(segment, false);
  weighing_ = true;
}

bool MoveGroup::full() const {
  return movers_used_ + carriers_used_ + weighed_ >= kRecordsMax || bytes_ >= kBytesMax ||
         !status_.ok();
}

void MoveGroup::Close() { RecordEnded(); }

void MoveGroup::Take(const PlacedRecord& placed) {
  // A mark of what was read is in MOVE; of a message that stays where it is, a rebuild forgets it.
  if (placed.record.kind == RecordKind::kRead) return;
  if (!placed.record.is_message() || placed.record.restored()) Carry(placed);
  if (!placed.record.is_message() || weighing_) return;
  if (movers_used_ == movers_.size()) movers_.push_back(std::make_unique<Mover>(*this));
  ++outstanding_;
  movers_[movers_used_++]->Start(placed);
}

// One in which the message's last record stood, or may have stood before it was moved.
std::optional<uint32_t> MoveGroup::KeptFor(const Expunged& expunged) const {
  const uint32_t last = expunged.stood_at.segment();
  for (const auto& [number, stats] : partition_.table().segments()) {
    if (number > last) break;
    if (number != segment_ && (number == last || stats.moved_out)) return number;
  }
  return std::nullopt;
}

std::optional<uint32_t> MoveGroup::KeptUpTo(uint32_t segment) const {
  for (const auto& [number, stats] : partition_.table().segments()) {
    if (number > segment) break;
    if (number != segment_) return number;
  }
  return std::nullopt;
}

void MoveGroup::Carry(const PlacedRecord& placed) {
  std::optional<Carried> carried = CarriedOf(placed);
  if (weighing_) ++weighed_;
  if (!carried.has_value()) return;
  if (weighing_) return CountCarried(segment_, carried->waits_for);
  if (carriers_used_ == carriers_.size()) carriers_.push_back(std::make_unique<Carrier>(*this));
  ++outstanding_;
  carriers_[carriers_used_++]->Start(std::move(*carried));
}

// FORMAT.md section 8, step 3. What brought a message back ended the keeping of the old one.
std::optional<MoveGroup::Carried> MoveGroup::CarriedOf(const PlacedRecord& placed) const {
  Carried result;
  Record& carried = result.record;
  carried = placed.record;
  std::vector<Expunged> deleted;
  if (carried.restored()) {
    deleted.push_back({carried.restores(), carried.moved_from});
    carried = {};
    carried.kind = RecordKind::kExpunge;
    carried.flags = kRecordPurge;
    carried.tenant = placed.record.tenant;
    carried.account = placed.record.account;
    carried.time_us = placed.record.time_us;
  } else if (carried.kind == RecordKind::kExpunge) {
    deleted = DecodeExpunged(placed.record.body);
  }
  carried.flags |= kRecordCarried;
  if (carried.kind == RecordKind::kRemove) {
    if (!placed.record.carried()) carried.moved_from = placed.at;
    const std::optional<uint32_t> kept_for = KeptUpTo(carried.moved_from.segment());
    if (!kept_for.has_value()) return std::nullopt;
    result.waits_for[*kept_for] = carried.head_bytes();
  } else {
    std::string& body = result.body;
    for (const Expunged& expunged : deleted) {
      const std::optional<uint32_t> kept_for = KeptFor(expunged);
      if (!kept_for.has_value()) continue;
      body.resize(body.size() + kExpungedBytes);
      EncodeExpunged(expunged, &body[body.size() - kExpungedBytes]);
      result.waits_for[*kept_for] += kExpungedBytes;
    }
    if (body.empty()) return std::nullopt;
    result.waits_for.begin()->second += carried.head_bytes();
  }
  return result;
}

void MoveGroup::CountCarried(uint32_t segment, const std::map<uint32_t, uint64_t>& waits_for) {
  auto& of_segment = carried_[segment];
  for (const auto& [number, bytes] : waits_for) of_segment[number] += bytes;
}

void MoveGroup::RecordEnded() {
  if (--outstanding_ > 0) return;
  MovesWaiter* waiter = std::exchange(waiting_, nullptr);
  waiting_last_ = &waiting_;
  while (waiter != nullptr) {
    MovesWaiter* const next = waiter->next_;
    waiter->MovesEnded();
    waiter = next;
  }
  ended_(owner_);
}

bool MoveGroup::WaitForMoves(const MaildropState& maildrop, MovesWaiter& waiter) {
  if (maildrop.moves == 0) return false;
  waiter.next_ = nullptr;
  *waiting_last_ = &waiter;
  waiting_last_ = &waiter.next_;
  return true;
}

uint64_t MoveGroup::CarriedBytes(uint32_t segment) const {
  uint64_t sum = 0;
  const auto carried = carried_.find(segment);
  if (carried == carried_.end()) return 0;
  for (const auto& [waits_for, bytes] : carried->second) sum += bytes;
  return sum;
}

void MoveGroup::SegmentGone(uint32_t segment) {
  carried_.erase(segment);
  for (auto& [holder, waits_for] : carried_) waits_for.erase(segment);
}

}  // namespace poplar::storage
