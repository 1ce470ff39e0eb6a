#include "storage/segment/batch_reader.h"

#include <algorithm>

namespace poplar::storage {

Status BatchReader::Damaged(uint64_t offset, std::string_view what) const {
  return MakeStatus(StatusCode::kDataLoss, "segment " + std::to_string(segment_) + ", offset " +
                                               std::to_string(offset) + ": " + std::string(what));
}

Status BatchReader::Fill(uint64_t bytes) {
  buffer_.resize(std::min(bytes, end_ - at_));
  POP_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(buffer_, at_));
  read_bytes_ += got;
  return got == buffer_.size() ? OkStatus() : Damaged(at_ + got, "the file is cut short");
}

Status BatchReader::DecodeBatch(uint64_t offset, uint64_t end,
                                std::vector<PlacedRecord>& records) const {
  for (uint64_t at = offset + kBatchHeadBytes; at < end;) {
    const std::string_view bytes = std::string_view(buffer_).substr(at - at_, end - at);
    auto record = DecodeRecordHead(bytes, Lsn(segment_, at), salt_);
    if (!record.has_value() || record->log_bytes() > bytes.size()) {
      return Damaged(at, "the head of a record is damaged");
    }
    record->body = bytes.substr(record->head_bytes(), record->body_bytes);
    if (!BodyIsSound(*record, record->body)) {
      return Damaged(at, "the body of a record is damaged");
    }
    records.push_back({*record, Lsn(segment_, at)});
    at += record->log_bytes();
  }
  return OkStatus();
}

Status BatchReader::Next(uint64_t piece_bytes, std::vector<PlacedRecord>& records) {
  records.clear();
  if (at_end()) return OkStatus();
  POP_RETURN_IF_ERROR(Fill(std::max<uint64_t>(piece_bytes, kBlockBytes)));
  uint64_t next = at_;
  while (next < end_) {
    const uint64_t have = at_ + buffer_.size() - next;
    if (have < kBatchHeadBytes) break;
    const auto head =
        DecodeBatchHead(std::string_view(buffer_).substr(next - at_), Lsn(segment_, next), salt_);
    if (!head.has_value() || next + head->bytes > end_) {
      return Damaged(next, "the head of a batch is damaged");
    }
    if (head->bytes > have) {
      if (next > at_) break;  // The rest of it comes with the next piece.
      POP_RETURN_IF_ERROR(Fill(head->bytes));
    }
    const size_t before = records.size();
    POP_RETURN_IF_ERROR(DecodeBatch(next, next + head->bytes, records));
    if (records.size() - before != head->records) {
      return Damaged(next, "a batch holds another number of records than it says");
    }
    next = RoundUp(next + head->bytes, kBlockBytes);
    if (next >= at_ + buffer_.size()) break;
  }
  at_ = next;
  return OkStatus();
}

}  // namespace poplar::storage
