#include "storage/segment/scanner.h"

#include <algorithm>
#include <utility>

#include "storage/format/bytes.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kAlignment = 8;

bool NamesBlob(RecordKind kind) {
  return kind == RecordKind::kAddRef || kind == RecordKind::kMoveRef;
}

}  // namespace

void SegmentScanner::Feed(std::string_view piece, LogVisitor& visitor) {
  const uint64_t begin = offset_;
  while (offset_ - begin < piece.size()) {
    if (!Step(piece.substr(offset_ - begin), visitor)) break;
  }
  if (done()) NameLost(end_, visitor);
}

bool SegmentScanner::Step(std::string_view left, LogVisitor& visitor) {
  if (body_left_ > 0) return FeedBody(left, visitor);
  if (offset_ >= end_) return false;
  if (batch_end_ != 0 && offset_ + kRecordFixedBytes > batch_end_) {
    NameLost(batch_end_, visitor);
    offset_ = RoundUp(batch_end_, kBlockBytes);
    batch_end_ = 0;
    return true;
  }
  if (left.size() < std::min(kPieceBytesMin, end_ - offset_)) return false;
  if (batch_end_ == 0 && offset_ % kBlockBytes == 0 && BeginBatch(left, visitor)) return true;
  if (!BeginRecord(left, visitor)) SkipUnreadable(left);
  return true;
}

bool SegmentScanner::FeedBody(std::string_view left, LogVisitor& visitor) {
  const uint64_t part = std::min<uint64_t>(body_left_, left.size());
  body_->Update(left.substr(0, part));
  body_left_ -= part;
  offset_ += part;
  if (body_left_ == 0) EndRecord(visitor);
  return true;
}

bool SegmentScanner::BeginBatch(std::string_view left, LogVisitor& visitor) {
  const auto head = DecodeBatchHead(left, Lsn(segment_, offset_), salt_);
  if (!head.has_value() || offset_ + head->bytes > end_) return false;
  NameLost(offset_, visitor);
  batch_end_ = offset_ + head->bytes;
  offset_ += kBatchHeadBytes;
  return true;
}

bool SegmentScanner::BeginRecord(std::string_view left, LogVisitor& visitor) {
  const uint64_t limit = (batch_end_ != 0 ? batch_end_ : end_) - offset_;
  const auto record = DecodeRecordHead(left.substr(0, std::min<uint64_t>(left.size(), limit)),
                                       Lsn(segment_, offset_), salt_);
  if (!record.has_value() || record->head_bytes() + uint64_t{record->body_bytes} > limit) {
    return false;
  }
  NameLost(offset_, visitor);
  account_ = record->account;
  text_ = record->text;
  record_ = *record;
  record_.account = account_;
  record_.text = text_;
  record_at_ = Lsn(segment_, offset_);
  body_ = std::make_unique<StreamingChecksum>();
  body_left_ = record->body_bytes;
  offset_ += record->head_bytes();
  if (body_left_ == 0) EndRecord(visitor);
  return true;
}

void SegmentScanner::EndRecord(LogVisitor& visitor) {
  offset_ = RoundUp(offset_, kAlignment);
  if (NamesBlob(record_.kind) || body_->Digest() == record_.body_checksum) {
    visitor.OnRecord(record_, record_at_);
  } else {
    visitor.OnDamage({record_at_, record_.log_bytes(), "the body of a record is damaged",
                      MaildropKey{record_.tenant, account_}, record_.id});
  }
}

// Zeros between batches are the padding of one that was lost.
void SegmentScanner::SkipUnreadable(std::string_view left) {
  const bool padding = batch_end_ == 0 && lost_from_ == 0 && offset_ % kBlockBytes != 0 &&
                       left.size() >= kAlignment && LoadLe<uint64_t>(left.data()) == 0;
  if (lost_from_ == 0 && !padding) {
    lost_from_ = offset_;
    lost_batch_ = batch_end_ == 0;
  }
  offset_ += kAlignment;
}

void SegmentScanner::NameLost(uint64_t to, LogVisitor& visitor) {
  const uint64_t from = std::exchange(lost_from_, 0);
  if (from == 0 || to < from + kBatchHeadBytes) return;
  visitor.OnDamage({Lsn(segment_, from), to - from,
                    lost_batch_ ? "no batch can be read here" : "the head of a record is damaged",
                    MaildropKey{}, MessageId(0)});
}

}  // namespace poplar::storage
