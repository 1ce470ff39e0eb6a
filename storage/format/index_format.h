// Values of the index other than chunks (FORMAT.md section 7). Any thread.
//
// The checksum of each but the meta's covers its key too: `key` is what it stands under, as a
// whole. So what was damaged in a key shows when its value is read.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/status.h"
#include "storage/format/superblock.h"

namespace poplar::storage {

inline constexpr uint32_t kIndexVersion = 2;

// What a value's checksum is seeded with.
uint64_t KeySeed(std::string_view key);

struct IndexMeta {
  StoreId store_id{};
  uint32_t partition = 0;
  uint32_t epoch = 0;
  Lsn checkpoint;
  uint64_t next_id = 0;
  int64_t known_us = 0;  // The time that the run went by; 0: an older build wrote it.
};

std::string EncodeIndexMeta(const IndexMeta& meta);
// Errors as DecodeSuperblock. kNotFound: of version 1, which is not read but made anew.
StatusOr<IndexMeta> DecodeIndexMeta(std::string_view value);

// What the index knows of one maildrop beside its chunks.
struct IndexTotals {
  uint64_t messages = 0;
  uint64_t octets = 0;
  uint64_t wire_bytes = 0;
  MessageId last_id{0};
  uint32_t chunks = 0;
  uint16_t oldest_day = 0;  // The least MessageEntry::age_day; 0 without messages.

  friend bool operator==(const IndexTotals&, const IndexTotals&) = default;
};

std::string EncodeIndexTotals(std::string_view key, const IndexTotals& totals);
StatusOr<IndexTotals> DecodeIndexTotals(std::string_view key, std::string_view value);

std::string EncodeTenantTotals(std::string_view key, const TenantTotals& totals);
StatusOr<TenantTotals> DecodeTenantTotals(std::string_view key, std::string_view value);

struct SegmentStats {
  uint64_t salt = 0;
  uint64_t bytes = 0;
  uint64_t live_bytes = 0;
  uint64_t live_records = 0;
  uint32_t end = 0;  // Offset at which the log left it; of the one in use, where it stood then.
  bool moved_out = false;  // Compaction moved records out of it: their old copies are still there.

  friend bool operator==(const SegmentStats&, const SegmentStats&) = default;
};

std::string EncodeSegmentStats(std::string_view key, const SegmentStats& stats);
StatusOr<SegmentStats> DecodeSegmentStats(std::string_view key, std::string_view value);

std::string EncodeIndexBlob(std::string_view key, BlobId blob);
StatusOr<BlobId> DecodeIndexBlob(std::string_view key, std::string_view value);

}  // namespace poplar::storage
