#include "storage/format/superblock.h"

#include <cstdio>

#include "storage/format/bytes.h"
#include "storage/format/checksum.h"

namespace poplar::storage {
namespace {

constexpr std::string_view kMagic = "POPLSTOR";
constexpr uint32_t kKnownIncompatibleFeatures = 0;

bool ValidTag(std::string_view tag) {
  for (const char c : tag) {
    const bool is_base32 = (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
    if (!is_base32) return false;
  }
  return true;
}

}  // namespace

std::string PartitionName(uint32_t partition) {
  char name[16];
  std::snprintf(name, sizeof name, "p%03u", partition);
  return name;
}

std::string EncodeSuperblock(const Superblock& superblock) {
  std::string block(kBlockBytes, '\0');
  char* at = block.data();
  std::memcpy(at + 8, kMagic.data(), kMagic.size());
  StoreLe<uint32_t>(at + 16, kFormatVersion);
  StoreLe<uint32_t>(at + 20, superblock.compatible_features);
  StoreLe<uint32_t>(at + 28, superblock.partitions);
  std::memcpy(at + 32, superblock.store_id.data(), superblock.store_id.size());
  StoreLe<uint64_t>(at + 48, superblock.placement_seed);
  StoreLe<int64_t>(at + 56, superblock.created_us);
  std::memcpy(at + 64, superblock.uidl_tag.data(), superblock.uidl_tag.size());
  StoreLe<uint64_t>(at, Checksum(std::string_view(block).substr(8)));
  return block;
}

StatusOr<Superblock> DecodeSuperblock(std::string_view block) {
  if (block.size() != kBlockBytes || block.substr(8, kMagic.size()) != kMagic) {
    return MakeStatus(StatusCode::kDataLoss, "superblock: not one of a Poplar store");
  }
  const char* at = block.data();
  if (LoadLe<uint64_t>(at) != Checksum(block.substr(8))) {
    return MakeStatus(StatusCode::kDataLoss, "superblock: its checksum is wrong");
  }
  POP_RETURN_IF_ERROR(
      CheckVersion(LoadLe<uint32_t>(at + 16), LoadLe<uint32_t>(at + 24), "superblock"));
  Superblock superblock;
  superblock.compatible_features = LoadLe<uint32_t>(at + 20);
  superblock.partitions = LoadLe<uint32_t>(at + 28);
  std::memcpy(superblock.store_id.data(), at + 32, superblock.store_id.size());
  superblock.placement_seed = LoadLe<uint64_t>(at + 48);
  superblock.created_us = LoadLe<int64_t>(at + 56);
  std::memcpy(superblock.uidl_tag.data(), at + 64, superblock.uidl_tag.size());
  if (superblock.partitions == 0 || superblock.partitions > kPartitionsMax ||
      !ValidTag(superblock.tag())) {
    return MakeStatus(StatusCode::kDataLoss, "superblock: impossible values");
  }
  return superblock;
}

Status CheckVersion(uint32_t version, uint32_t incompatible_features, std::string_view what,
                    uint32_t known_version) {
  if (version != known_version) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      std::string(what) + ": format version " + std::to_string(version) +
                          ", this build reads version " + std::to_string(known_version) +
                          "; run the build that wrote it, or a newer one");
  }
  if ((incompatible_features & ~kKnownIncompatibleFeatures) != 0) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      std::string(what) + ": uses features (bits " +
                          std::to_string(incompatible_features) +
                          ") that this build does not know; run the build that wrote it");
  }
  return OkStatus();
}

uint32_t PlacePartition(const Superblock& superblock, const MaildropKey& key) {
  std::string bytes(sizeof(uint64_t), '\0');
  StoreLe<uint64_t>(bytes.data(), key.tenant.value());
  bytes += key.account;
  const uint64_t hash = Checksum(bytes, superblock.placement_seed);
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint32_t>((static_cast<Wide>(hash) * superblock.partitions) >> 64);
}

}  // namespace poplar::storage
