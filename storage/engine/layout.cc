#include "storage/engine/layout.h"

#include <cstdio>

namespace poplar::storage {

std::string PartitionDirectory(const std::string& store, uint32_t partition) {
  char name[16];
  std::snprintf(name, sizeof name, "/p%03u", partition);
  return store + name;
}

std::string ParentOf(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

StatusOr<Superblock> ReadSuperblock(Env& env, const std::string& path) {
  const StatusOr<std::string> block = ReadWholeFile(env, path + "/superblock", kBlockBytes);
  if (block.status().code() == StatusCode::kNotFound) {
    return MakeStatus(StatusCode::kNotFound, path + ": no store is there");
  }
  if (!block.ok()) return block.status();
  StatusOr<Superblock> superblock = DecodeSuperblock(*block);
  if (!superblock.ok()) return Annotate(superblock.status(), path);
  return superblock;
}

}  // namespace poplar::storage
