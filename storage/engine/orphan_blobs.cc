#include "storage/engine/orphan_blobs.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "storage/blob/blob_writer.h"

namespace poplar::storage {
namespace {

bool ParseHex(std::string_view text, uint32_t* number) {
  if (text.size() != 8) return false;
  char* end = nullptr;
  const std::string digits(text);
  *number = static_cast<uint32_t>(std::strtoul(digits.c_str(), &end, 16));
  return *end == '\0';
}

uint64_t BlobOf(uint32_t epoch, uint32_t number) {
  return (static_cast<uint64_t>(epoch) << 32) | number;
}

// Of a file in the folder of `epoch`. None: it is no blob's.
std::optional<BlobId> ParseName(uint32_t epoch, const std::string& folder,
                                const std::string& name) {
  uint32_t number = 0;
  if (!ParseHex(std::string_view(name).substr(0, 8), &number)) return std::nullopt;
  const BlobId blob(BlobOf(epoch, number));
  if (BlobName(blob) != folder + "/" + name) return std::nullopt;
  return blob;
}

}  // namespace

StatusOr<OrphanBlobs> FindOrphanBlobs(Env& env, const std::string& directory, Index& index,
                                      uint32_t first_epoch) {
  OrphanBlobs orphans;
  std::vector<uint64_t> blobs;
  POP_ASSIGN_OR_RETURN(const std::vector<std::string> folders, env.List(directory));
  for (const std::string& folder : folders) {
    uint32_t epoch = 0;
    if (!ParseHex(folder, &epoch)) continue;
    orphans.greatest_epoch = std::max(orphans.greatest_epoch, epoch);
    if (epoch < first_epoch) continue;
    POP_ASSIGN_OR_RETURN(const std::vector<std::string> names, env.List(directory + "/" + folder));
    for (const std::string& name : names) {
      const std::optional<BlobId> blob = ParseName(epoch, folder, name);
      if (blob.has_value()) blobs.push_back(blob->value());
    }
  }
  if (blobs.empty()) return orphans;
  std::ranges::sort(blobs);
  std::vector<bool> named(blobs.size());
  // A message gets its id in the run that made its blob, and ids only grow: none of an earlier
  // epoch has a blob of these.
  const MessageId first(BlobOf(first_epoch, 0));
  POP_RETURN_IF_ERROR(index.VisitBlobs(first, [&](BlobId blob) {
    const auto found = std::ranges::lower_bound(blobs, blob.value());
    if (found != blobs.end() && *found == blob.value()) named[found - blobs.begin()] = true;
  }));
  for (size_t i = 0; i < blobs.size(); ++i) {
    if (named[i]) continue;
    orphans.files.push_back({EpochOf(blobs[i]), directory + "/" + BlobName(BlobId(blobs[i]))});
  }
  return orphans;
}

}  // namespace poplar::storage
