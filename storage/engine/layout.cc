#include "storage/engine/layout.h"

#include <cstdio>

#include "core/base/log.h"

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

StatusOr<Superblock> ReadSuperblockFile(Env& env, const std::string& path) {
  POP_ASSIGN_OR_RETURN(const std::string block, ReadWholeFile(env, path, kBlockBytes));
  StatusOr<Superblock> superblock = DecodeSuperblock(block);
  if (!superblock.ok()) return Annotate(superblock.status(), path);
  return superblock;
}

StatusOr<Superblock> ReadSuperblock(Env& env, const std::string& store) {
  const std::string first = store + "/" + kSuperblockNames[0];
  StatusOr<Superblock> superblock = ReadSuperblockFile(env, first);
  const StatusCode code = superblock.status().code();
  if (code == StatusCode::kNotFound) {
    return MakeStatus(StatusCode::kNotFound, store + ": no store is there");
  }
  if (superblock.ok() || code == StatusCode::kFailedPrecondition) return superblock;
  StatusOr<Superblock> copy = ReadSuperblockFile(env, store + "/" + kSuperblockNames[1]);
  if (!copy.ok()) return superblock;
  base::Log(base::LogLevel::kWarning, "store_superblock_damaged",
            {{"file", first}, {"why", superblock.status().ToString()}, {"used", "its copy"}});
  return copy;
}

Status WriteSuperblock(Env& env, const std::string& store, const Superblock& superblock) {
  const std::string block = EncodeSuperblock(superblock);
  POP_RETURN_IF_ERROR(ReplaceFile(env, store, kSuperblockNames[1], block));
  return ReplaceFile(env, store, kSuperblockNames[0], block);
}

Status MendSuperblock(Env& env, const std::string& store, const Superblock& superblock) {
  const std::string block = EncodeSuperblock(superblock);
  for (const char* name : kSuperblockNames) {
    const auto there = ReadSuperblockFile(env, store + "/" + name);
    if (there.ok() && EncodeSuperblock(*there) == block) continue;
    POP_RETURN_IF_ERROR(ReplaceFile(env, store, name, block));
    base::Log(base::LogLevel::kInfo, "store_superblock_written", {{"file", store + "/" + name}});
  }
  return OkStatus();
}

Status EmptyIncoming(Env& env, const std::string& directory) {
  // A copy of a store may have left out what was empty.
  Status made = env.MakeDirectory(directory);
  if (!made.ok() && made.code() != StatusCode::kAlreadyExists) return made;
  POP_ASSIGN_OR_RETURN(const std::vector<std::string> names, env.List(directory));
  for (const std::string& name : names) {
    const Status gone = env.Unlink(directory + "/" + name);
    if (!gone.ok()) {
      base::Log(base::LogLevel::kError, "store_file_left",
                {{"file", directory + "/" + name}, {"why", gone.ToString()}});
    }
  }
  return OkStatus();
}

}  // namespace poplar::storage
