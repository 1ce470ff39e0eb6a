// The superblock: what a store is (FORMAT.md section 2). Pure bytes; any thread.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/status.h"
#include "storage/format/ids.h"

namespace poplar::storage {

inline constexpr uint32_t kBlockBytes = 4096;
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint32_t kPartitionsMax = 999;

// Of a partition's folder: "p007".
std::string PartitionName(uint32_t partition);

using StoreId = std::array<char, 16>;

// Bits that an older reader may ignore.
enum CompatibleFeatures : uint32_t {
  kFeatureNone = 0,
  kFeatureSnapshot = 1,  // A snapshot made it: another store went on giving ids.
};

struct Superblock {
  uint32_t compatible_features = kFeatureNone;
  uint32_t partitions = 0;
  StoreId store_id{};
  uint64_t placement_seed = 0;
  int64_t created_us = 0;
  std::array<char, kUidlTagBytes> uidl_tag{};

  std::string_view tag() const { return {uidl_tag.data(), uidl_tag.size()}; }
};

// kBlockBytes long.
std::string EncodeSuperblock(const Superblock& superblock);
// kDataLoss: not sound. kFailedPrecondition: of a version or with features that this build does not
// know.
StatusOr<Superblock> DecodeSuperblock(std::string_view block);

// Checks version and incompatible features of `what` in a sentence for the operator.
Status CheckVersion(uint32_t version, uint32_t incompatible_features, std::string_view what,
                    uint32_t known_version = kFormatVersion);

uint32_t PlacePartition(const Superblock& superblock, const MaildropKey& key);

}  // namespace poplar::storage
