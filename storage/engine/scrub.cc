#include "storage/engine/scrub.h"

#include <algorithm>

#include "core/base/log.h"
#include "storage/blob/blob_writer.h"
#include "storage/segment/log_survey.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kScrubPieceBytes = 256 * kKiB;
constexpr uint64_t kCatchUpUs = 1'000'000;  // What may be made up for after a busy time.
constexpr size_t kNamedMax = 10'000;        // Further places are only counted.

}  // namespace

void ScrubMetrics::Register(base::MetricRegistry& registry,
                            const base::MetricLabels& labels) const {
  registry.Add(bytes, "poplar_store_scrubbed_bytes_total",
               "Octets of segments, blobs and indexes' totals read again to check them.", labels);
  registry.Add(passes, "poplar_store_scrub_passes_total",
               "Times that a partition was checked as a whole.", labels);
  registry.Add(damages, "poplar_store_scrub_damages_total", "Damage found by checking.", labels);
}

// What one job finds.
class Scrub::Findings final : public LogVisitor {
 public:
  explicit Findings(Scrub& scrub) : scrub_(scrub) {}

  void OnRecord(const Record& record, Lsn at) override {
    if (record.kind != RecordKind::kAddRef && record.kind != RecordKind::kMoveRef) return;
    const MaildropKey key{record.tenant, std::string(record.account)};
    scrub_.blobs_.push_back({{at, record.wire_bytes, "", key, record.id},
                             BlobId(record.reference),
                             record.wire_bytes,
                             record.body_checksum});
  }
  void OnDamage(const Damage& damage) override { scrub_.found_.push_back(damage); }

 private:
  Scrub& scrub_;
};

void Scrub::OnTick() {
  if (options_.bytes_per_s == 0 || pending() || judging_) return;
  Judge();
  if (!suspects_.empty() || reactor_.now_us() < next_piece_us_) return;
  const auto table = partition_.keeper().segments();
  if (reading_ && !table->SaltOf(number_).has_value()) EndSegment();  // It was emptied meanwhile.
  if (!reading_ && !ChooseSegment(*table)) return;
  pins_ = table;
  // A full pool: at the next tick.
  if (!disk_.Submit(reactor_, options_.partition, *this)) pins_.reset();
}

// The next sealed one.
bool Scrub::ChooseSegment(const SegmentTable& table) {
  const uint32_t first_open = partition_.log().first_open_segment();
  const auto sealed = static_cast<uint64_t>(
      std::count_if(table.segments.begin(), table.segments.end(),
                    [=](const SegmentRef& segment) { return segment.number < first_open; }));
  if (sealed == 0) return false;
  if (left_in_pass_ == 0) {
    if (passed_ && reactor_.now_us() < pass_began_us_ + options_.interval_us) return false;
    if (!passed_) number_ = table.segments[options_.env->Random() % sealed].number;
    pass_began_us_ = reactor_.now_us();
    left_in_pass_ = sealed;
    passed_ = true;
    index_due_ = true;
  }
  const auto end = table.segments.begin() + static_cast<ptrdiff_t>(sealed);
  auto next = std::find_if(table.segments.begin(), end,
                           [this](const SegmentRef& segment) { return segment.number > number_; });
  if (next == end) next = table.segments.begin();
  number_ = next->number;
  end_ = partition_.table().segments().at(number_).end;
  reading_ = true;
  segment_done_ = false;
  return true;
}

void Scrub::EndSegment() {
  reading_ = false;
  scanner_.reset();
  blobs_.clear();
  blob_sum_.reset();
  if (--left_in_pass_ == 0) metrics_.passes.Add();
}

void Scrub::Done() {
  pins_.reset();
  metrics_.bytes.Add(piece_bytes_);
  if (options_.bytes_per_s > 0) {
    const uint64_t now_us = reactor_.now_us();
    next_piece_us_ = std::max(next_piece_us_, now_us - std::min(now_us, kCatchUpUs)) +
                     piece_bytes_ * 1'000'000 / options_.bytes_per_s;
  }
  for (Damage& damage : found_) suspects_.push_back(std::move(damage));
  found_.clear();
  index_due_ = false;
  if (segment_done_) EndSegment();
  OnTick();
}

// One after the other: a message that its list still has in this place is a loss.
void Scrub::Judge() {
  while (!judging_ && !suspects_.empty() && options_.bytes_per_s > 0) {
    const Damage& damage = suspects_.front();
    if (counted_.contains(damage.at.value())) {
      suspects_.pop_front();
    } else if (damage.id == MessageId(0)) {
      Name(damage);  // Nobody can tell what it was.
      suspects_.pop_front();
    } else {
      judging_ = true;
      in_kept_ = false;
      partition_.WithList(EncodeMaildropKey(damage.maildrop), *this);
    }
  }
}

void Scrub::MaildropReady(MaildropState* maildrop, const Status& /*why*/) {
  const Damage& suspect = suspects_.front();
  const bool missed = maildrop != nullptr && maildrop->list->Find(suspect.id) == nullptr;
  if (missed && !in_kept_ && partition_.table().HasKept(suspect.maildrop.tenant)) {
    in_kept_ = true;  // Deleted, but it can still be brought back.
    return partition_.WithList(KeptKeyOf(EncodeMaildropKey(suspect.maildrop)), *this);
  }
  const Damage damage = std::move(suspects_.front());
  suspects_.pop_front();
  judging_ = false;
  // Without a list the next pass will ask again.
  const MessageEntry* const entry = maildrop == nullptr ? nullptr : maildrop->list->Find(damage.id);
  if (entry != nullptr && entry->lsn == damage.at) Name(damage);
}

void Scrub::Name(const Damage& damage) {
  if (!counted_.insert(damage.at.value()).second) return;
  metrics_.damages.Add();
  partition_.metrics().damages.Add();
  if (counted_.size() > kNamedMax) return;
  base::Log(base::LogLevel::kError, "store_damage",
            {{"partition", options_.partition},
             {"at", PlaceText(damage.at)},
             {"octets", damage.bytes},
             {"what", damage.what},
             {"tenant", damage.maildrop.tenant.value()},
             {"account", damage.maildrop.account},
             {"id", IdText(damage.id.value())},
             {"found_by", "scrub"}});
}

void Scrub::Work() {
  piece_bytes_ = 0;
  if (index_due_) return CheckIndex();
  if (scanner_ == nullptr) {
    OpenSegment();
  } else if (!blobs_.empty()) {
    ReadBlob();
  } else {
    ReadPiece();
  }
  segment_done_ = scanner_ == nullptr || (scanner_->done() && blobs_.empty());
}

// At once, as its sums are of one moment; it is paid for before anything else is read.
void Scrub::CheckIndex() {
  const Status sound = partition_.index().Check(piece_bytes_);
  if (sound.code() != StatusCode::kDataLoss) return;
  found_.push_back({Lsn(), 0, std::string(Message(sound)), {}, MessageId(0)});
}

std::string Scrub::SegmentFile(uint32_t number) const {
  return SegmentPath(options_.directory + "/log", number);
}

void Scrub::OpenSegment() {
  if (end_ <= kFirstBatchOffset) return;
  const auto tell = [&](std::string_view what) {
    found_.push_back({Lsn(number_, 0), kBlockBytes, std::string(what), {}, MessageId(0)});
  };
  const auto file = options_.env->OpenToRead(SegmentFile(number_));
  if (!file.ok()) return tell(Message(file.status()));
  std::string block(kBlockBytes, '\0');
  const StatusOr<size_t> got = (*file)->ReadOnceAt(block, 0);
  const auto head = DecodeSegmentHead(block);
  if (!got.ok() || !head.ok() || head->number != number_) tell("a segment's head is damaged");
  scanner_ = std::make_unique<SegmentScanner>(number_, *pins_->SaltOf(number_), end_);
}

void Scrub::ReadPiece() {
  const uint64_t offset = scanner_->offset();
  std::string piece(std::min(kScrubPieceBytes, std::max(scanner_->end(), offset) - offset), '\0');
  const auto file = options_.env->OpenToRead(SegmentFile(number_));
  const StatusOr<size_t> got =
      file.ok() ? (*file)->ReadOnceAt(piece, offset) : StatusOr<size_t>(file.status());
  if (!got.ok() || *got < piece.size()) {
    const std::string why = got.ok() ? "the file is cut short" : std::string(Message(got.status()));
    found_.push_back({Lsn(number_, offset), piece.size(), why, {}, MessageId(0)});
    piece.assign(piece.size(), '\0');
  }
  piece_bytes_ = piece.size();
  Findings findings(*this);
  scanner_->Feed(piece, findings);
}

void Scrub::ReadBlob() {
  const Blob& blob = blobs_.front();
  const auto file = options_.env->OpenToRead(options_.directory + "/blobs/" + BlobName(blob.id));
  if (!file.ok()) return EndBlob("a blob is missing");  // Or its message was deleted.
  if (blob_sum_ == nullptr) {
    blob_sum_ = std::make_unique<StreamingChecksum>();
    blob_offset_ = 0;
  }
  std::string piece(kScrubPieceBytes, '\0');
  const StatusOr<size_t> got = (*file)->ReadOnceAt(piece, blob_offset_);
  if (!got.ok()) return EndBlob("a blob cannot be read");
  piece_bytes_ = *got;
  blob_offset_ += *got;
  blob_sum_->Update(std::string_view(piece).substr(0, *got));
  if (*got == piece.size()) return;
  const bool sound = blob_offset_ == blob.wire_bytes && blob_sum_->Digest() == blob.checksum;
  EndBlob(sound ? nullptr : "a blob is damaged");
}

void Scrub::EndBlob(const char* why) {
  if (why != nullptr) {
    found_.push_back(blobs_.front().damage);
    found_.back().what = why;
  }
  blobs_.pop_front();
  blob_sum_.reset();
}

}  // namespace poplar::storage
