#include "storage/env/disk_room.h"

namespace poplar::storage {

Status DiskRoom::Grant(Env& env, const std::string& directory, uint64_t floor_bytes,
                       uint64_t bytes) {
  // First it is granted and then looked whether it may be: of two at once that do not both fit, at
  // least one sees the other.
  const uint64_t granted_bytes = granted_bytes_.fetch_add(bytes) + bytes;
  const StatusOr<uint64_t> free_bytes = env.FreeBytes(directory);
  if (free_bytes.ok() && *free_bytes >= floor_bytes + granted_bytes) return OkStatus();
  GiveBack(bytes);
  if (!free_bytes.ok()) return free_bytes.status();
  return MakeStatus(StatusCode::kResourceExhausted, "the disk is full but for the reserve");
}

}  // namespace poplar::storage
