#include "storage/format/index_format.h"

#include "storage/format/bytes.h"
#include "storage/format/checksum.h"

namespace poplar::storage {
namespace {

constexpr std::string_view kMagic = "POPLINDX";
constexpr size_t kMetaBytes = 80;
constexpr size_t kTotalsBytes = 48;
constexpr size_t kTenantBytes = 40;
constexpr size_t kStatsBytes = 48;
constexpr size_t kBlobBytes = 16;
constexpr uint32_t kMovedOut = 1;

bool Sound(std::string_view value, size_t bytes, uint64_t seed = 0) {
  return value.size() == bytes && LoadLe<uint64_t>(value.data()) == Checksum(value.substr(8), seed);
}

void Seal(std::string& value, uint64_t seed = 0) {
  StoreLe<uint64_t>(value.data(), Checksum(std::string_view(value).substr(8), seed));
}

}  // namespace

uint64_t KeySeed(std::string_view key) { return Checksum(key); }

std::string EncodeIndexMeta(const IndexMeta& meta) {
  std::string value(kMetaBytes, '\0');
  char* at = value.data();
  std::memcpy(at + 8, kMagic.data(), kMagic.size());
  StoreLe<uint32_t>(at + 16, kIndexVersion);
  std::memcpy(at + 24, meta.store_id.data(), meta.store_id.size());
  StoreLe<uint32_t>(at + 40, meta.partition);
  StoreLe<uint32_t>(at + 44, meta.epoch);
  StoreLe<uint64_t>(at + 48, meta.checkpoint.value());
  StoreLe<uint64_t>(at + 56, meta.next_id);
  StoreLe<int64_t>(at + 64, meta.known_us);
  Seal(value);
  return value;
}

StatusOr<IndexMeta> DecodeIndexMeta(std::string_view value) {
  if (!Sound(value, kMetaBytes) || value.substr(8, kMagic.size()) != kMagic) {
    return MakeStatus(StatusCode::kDataLoss, "index meta: not sound");
  }
  const char* at = value.data();
  const auto version = LoadLe<uint32_t>(at + 16);
  if (version == 1) return MakeStatus(StatusCode::kNotFound, "index: of version 1");
  POP_RETURN_IF_ERROR(CheckVersion(version, LoadLe<uint32_t>(at + 20), "index", kIndexVersion));
  IndexMeta meta;
  std::memcpy(meta.store_id.data(), at + 24, meta.store_id.size());
  meta.partition = LoadLe<uint32_t>(at + 40);
  meta.epoch = LoadLe<uint32_t>(at + 44);
  meta.checkpoint = Lsn(LoadLe<uint64_t>(at + 48));
  meta.next_id = LoadLe<uint64_t>(at + 56);
  meta.known_us = LoadLe<int64_t>(at + 64);
  return meta;
}

std::string EncodeIndexTotals(std::string_view key, const IndexTotals& totals) {
  std::string value(kTotalsBytes, '\0');
  char* at = value.data();
  StoreLe<uint64_t>(at + 8, totals.messages);
  StoreLe<uint64_t>(at + 16, totals.octets);
  StoreLe<uint64_t>(at + 24, totals.wire_bytes);
  StoreLe<uint64_t>(at + 32, totals.last_id.value());
  StoreLe<uint32_t>(at + 40, totals.chunks);
  StoreLe<uint16_t>(at + 44, totals.oldest_day);
  Seal(value, KeySeed(key));
  return value;
}

StatusOr<IndexTotals> DecodeIndexTotals(std::string_view key, std::string_view value) {
  if (!Sound(value, kTotalsBytes, KeySeed(key))) {
    return MakeStatus(StatusCode::kDataLoss, "index totals: not sound");
  }
  const char* at = value.data();
  IndexTotals totals;
  totals.messages = LoadLe<uint64_t>(at + 8);
  totals.octets = LoadLe<uint64_t>(at + 16);
  totals.wire_bytes = LoadLe<uint64_t>(at + 24);
  totals.last_id = MessageId(LoadLe<uint64_t>(at + 32));
  totals.chunks = LoadLe<uint32_t>(at + 40);
  totals.oldest_day = LoadLe<uint16_t>(at + 44);
  return totals;
}

std::string EncodeTenantTotals(std::string_view key, const TenantTotals& totals) {
  std::string value(kTenantBytes, '\0');
  char* at = value.data();
  StoreLe<uint64_t>(at + 8, totals.messages);
  StoreLe<uint64_t>(at + 16, totals.octets);
  StoreLe<uint64_t>(at + 24, totals.kept_messages);
  StoreLe<uint64_t>(at + 32, totals.kept_octets);
  Seal(value, KeySeed(key));
  return value;
}

StatusOr<TenantTotals> DecodeTenantTotals(std::string_view key, std::string_view value) {
  if (!Sound(value, kTenantBytes, KeySeed(key))) {
    return MakeStatus(StatusCode::kDataLoss, "index tenant: not sound");
  }
  const char* at = value.data();
  return TenantTotals{LoadLe<uint64_t>(at + 8), LoadLe<uint64_t>(at + 16),
                      LoadLe<uint64_t>(at + 24), LoadLe<uint64_t>(at + 32)};
}

std::string EncodeSegmentStats(std::string_view key, const SegmentStats& stats) {
  std::string value(kStatsBytes, '\0');
  char* at = value.data();
  StoreLe<uint64_t>(at + 8, stats.salt);
  StoreLe<uint64_t>(at + 16, stats.bytes);
  StoreLe<uint64_t>(at + 24, stats.live_bytes);
  StoreLe<uint64_t>(at + 32, stats.live_records);
  StoreLe<uint32_t>(at + 40, stats.end);
  StoreLe<uint32_t>(at + 44, stats.moved_out ? kMovedOut : 0);
  Seal(value, KeySeed(key));
  return value;
}

StatusOr<SegmentStats> DecodeSegmentStats(std::string_view key, std::string_view value) {
  if (!Sound(value, kStatsBytes, KeySeed(key))) {
    return MakeStatus(StatusCode::kDataLoss, "index segment: not sound");
  }
  const char* at = value.data();
  return SegmentStats{LoadLe<uint64_t>(at + 8),  LoadLe<uint64_t>(at + 16),
                      LoadLe<uint64_t>(at + 24), LoadLe<uint64_t>(at + 32),
                      LoadLe<uint32_t>(at + 40), (LoadLe<uint32_t>(at + 44) & kMovedOut) != 0};
}

std::string EncodeIndexBlob(std::string_view key, BlobId blob) {
  std::string value(kBlobBytes, '\0');
  StoreLe<uint64_t>(value.data() + 8, blob.value());
  Seal(value, KeySeed(key));
  return value;
}

StatusOr<BlobId> DecodeIndexBlob(std::string_view key, std::string_view value) {
  if (!Sound(value, kBlobBytes, KeySeed(key))) {
    return MakeStatus(StatusCode::kDataLoss, "index blob: not sound");
  }
  return BlobId(LoadLe<uint64_t>(value.data() + 8));
}

}  // namespace poplar::storage
