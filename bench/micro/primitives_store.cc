#include <array>
#include <string>

#include "bench/micro/primitives.h"
#include "core/base/check.h"
#include "core/base/metrics.h"
#include "storage/format/checksum.h"
#include "storage/format/chunk.h"
#include "storage/format/segment_format.h"

namespace poplar::micro {
namespace {

constexpr uint64_t kSalt = 0x1234'5678'9abc'def0;
constexpr storage::Lsn kPlace{3, 64 * 1024};

// Of a message of 8 KB.
storage::Record MakeRecord() {
  storage::Record record;
  record.id = storage::MessageId(77);
  record.tenant = TenantId(5);
  record.time_us = 1'700'000'000'000'000;
  record.octets = 8192;
  record.wire_bytes = record.body_bytes = 8195;
  record.header_bytes = 400;
  record.account = "0123456789abcdef";
  return record;
}

// What a delivery of 8 KB adds to its segment: the body's checksum and the record's head.
class EncodesRecord final : public Primitive {
 public:
  void Run(uint64_t times) override {
    std::array<char, storage::kRecordHeadBytesMax> head;
    for (uint64_t i = 0; i < times; ++i) {
      Use(body_.data());
      record_.body_checksum = storage::Checksum(body_);
      storage::EncodeRecordHead(record_, kPlace, kSalt, head.data());
      Use(head.data());
    }
  }

 private:
  const std::string body_ = std::string(8192, 'x');
  storage::Record record_ = MakeRecord();
};

// The read that verifies it.
class DecodesRecord final : public Primitive {
 public:
  DecodesRecord() {
    const storage::Record record = MakeRecord();
    bytes_.resize(record.head_bytes());
    storage::EncodeRecordHead(record, kPlace, kSalt, bytes_.data());
  }
  void Run(uint64_t times) override {
    for (uint64_t i = 0; i < times; ++i) {
      Use(bytes_.data());
      POP_CHECK(storage::DecodeRecordHead(bytes_, kPlace, kSalt).has_value());
    }
  }

 private:
  std::string bytes_;
};

// What opening a maildrop does for each chunk of its list.
class DecodesChunk final : public Primitive {
 public:
  DecodesChunk() {
    storage::Chunk chunk;
    for (uint32_t i = 0; i < storage::kChunkEntriesMax; ++i) {
      storage::MessageEntry& entry = chunk.entries.emplace_back();
      entry.id = storage::MessageId(1000 + i * 3);
      entry.lsn = {7, uint64_t{4096} * (i + 1)};
      entry.received_us = 1'700'000'000'000'000 + i;
      entry.octets = 4096 + i;
      entry.wire_bytes = 4099 + i;
      entry.header_bytes = 400;
      entry.day = 19'675;
    }
    value_ = storage::EncodeChunk(key_, chunk);
  }
  void Run(uint64_t times) override {
    for (uint64_t i = 0; i < times; ++i) {
      Use(value_.data());
      POP_CHECK(storage::DecodeChunk(key_, value_).ok());
    }
  }

 private:
  const std::string key_ = std::string(24, 'k');
  std::string value_;
};

class CountsAndObserves final : public Primitive {
 public:
  void Run(uint64_t times) override {
    for (uint64_t i = 0; i < times; ++i) {
      counter_.Add();
      histogram_.Observe(i & 0xffff);
    }
  }

 private:
  base::Counter counter_;
  base::Histogram histogram_;
};

}  // namespace

std::span<const NamedPrimitive> StorePrimitives() {
  static constexpr std::array<NamedPrimitive, 4> kAll = {{
      {"encode_record_8_kb", Make<EncodesRecord>},
      {"decode_record_head", Make<DecodesRecord>},
      {"decode_chunk_40", Make<DecodesChunk>},
      {"metric_cells", Make<CountsAndObserves>},
  }};
  return kAll;
}

}  // namespace poplar::micro
