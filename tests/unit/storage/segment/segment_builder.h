// Builds a segment's bytes by the codecs alone, and remembers what stands in it. For tests and the
// fuzz target.

#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "storage/format/checksum.h"
#include "storage/format/segment_format.h"
#include "storage/segment/walker.h"

namespace poplar::storage {

struct BuiltRecord {
  MessageId id{0};
  std::string account;
  std::string body;
  Lsn at;

  friend bool operator==(const BuiltRecord&, const BuiltRecord&) = default;
};

class SegmentBuilder {
 public:
  // `head`: whose segment it is.
  SegmentBuilder(uint32_t number, uint64_t salt, uint64_t bytes, SegmentHead head = {})
      : number_(number), salt_(salt), bytes_(bytes, '\0') {
    head.number = number;
    head.salt = salt;
    head.bytes = bytes;
    bytes_.replace(0, kBlockBytes, EncodeSegmentHead(head));
  }

  // ADD records of these bodies. False: no room.
  bool AddBatch(const std::vector<std::string>& bodies) {
    std::vector<std::string> accounts;
    accounts.reserve(bodies.size());
    for (size_t i = 0; i < bodies.size(); ++i) {
      accounts.push_back("account-" + std::to_string(next_id_ + i));
    }
    std::vector<Record> records(bodies.size());
    for (size_t i = 0; i < bodies.size(); ++i) {
      records[i].id = MessageId(next_id_ + i);
      records[i].tenant = TenantId(7);
      records[i].account = accounts[i];
      records[i].body = bodies[i];
      records[i].body_bytes = records[i].wire_bytes = static_cast<uint32_t>(bodies[i].size());
      records[i].body_checksum = Checksum(bodies[i]);
    }
    return AddRecords(records);
  }

  // These, as they are. False: no room.
  bool AddRecords(const std::vector<Record>& records) {
    std::string batch(kBatchHeadBytes, '\0');
    std::vector<BuiltRecord> built;
    for (const Record& record : records) {
      const Lsn at(number_, offset_ + batch.size());
      std::string head(record.head_bytes(), '\0');
      EncodeRecordHead(record, at, salt_, head.data());
      batch += head;
      batch += record.body;
      batch.resize(RoundUp(batch.size(), 8), '\0');
      built.push_back({record.id, std::string(record.account), std::string(record.body), at});
    }
    if (offset_ + batch.size() > bytes_.size()) return false;
    for (const Record& record : records) next_id_ = std::max(next_id_, record.id.value() + 1);
    BatchHead head;
    head.records = static_cast<uint32_t>(records.size());
    head.bytes = static_cast<uint32_t>(batch.size());
    head.sequence = ++sequence_;
    head.salt = salt_;
    head.flushed = flushed_;
    head.next_id = next_id_;
    EncodeBatchHead(head, Lsn(number_, offset_), batch.data());
    bytes_.replace(offset_, batch.size(), batch);
    batch_offsets_.push_back(offset_);
    offset_ = RoundUp(offset_ + batch.size(), kBlockBytes);
    flushed_ = Lsn(number_, offset_);
    batches_.push_back(std::move(built));
    return true;
  }

  const std::string& bytes() const { return bytes_; }
  const std::vector<std::vector<BuiltRecord>>& batches() const { return batches_; }
  uint64_t batch_offset(size_t i) const { return batch_offsets_[i]; }
  Lsn end() const { return flushed_; }
  std::vector<BuiltRecord> Records(size_t batches) const {
    std::vector<BuiltRecord> all;
    for (size_t i = 0; i < batches; ++i) {
      all.insert(all.end(), batches_[i].begin(), batches_[i].end());
    }
    return all;
  }
  WalkOptions Options() const {
    WalkOptions options;
    options.segment = number_;
    options.salt = salt_;
    return options;
  }

 private:
  const uint32_t number_;
  const uint64_t salt_;
  std::string bytes_;
  uint64_t offset_ = kFirstBatchOffset;
  uint32_t sequence_ = 0;
  uint64_t next_id_ = 1;
  Lsn flushed_;
  std::vector<std::vector<BuiltRecord>> batches_;
  std::vector<uint64_t> batch_offsets_;
};

// Keeps what a walk finds.
class KeepingVisitor final : public LogVisitor {
 public:
  void OnRecord(const Record& record, Lsn at) override {
    records.push_back({record.id, std::string(record.account), std::string(record.body), at});
  }
  void OnDamage(const Damage& damage) override { damages.push_back(damage); }

  std::vector<BuiltRecord> records;
  std::vector<Damage> damages;
};

}  // namespace poplar::storage
