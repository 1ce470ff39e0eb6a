#include "storage/engine/layout.h"

#include <algorithm>

#include "core/base/log.h"

namespace poplar::storage {

std::string PartitionDirectory(const std::string& store, uint32_t partition) {
  return store + "/" + PartitionName(partition);
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

namespace {

// What cannot be listed is a file, or nobody knows what is in it.
bool IsEmptyTree(Env& env, const std::string& directory) {
  const auto names = env.List(directory);
  if (!names.ok()) return false;
  return std::ranges::all_of(
      *names, [&](const std::string& name) { return IsEmptyTree(env, directory + "/" + name); });
}

// Left by a CreateStore that was cut off, or a file system's own.
bool IsNobodysMail(const std::string& name) {
  return name == "lock" || name == "lost+found" ||
         std::ranges::any_of(kSuperblockNames,
                             [&](const char* of) { return name == std::string(of) + ".tmp"; });
}

// Whether anything stands in `store` that may be of a store, or of somebody.
StatusOr<bool> HoldsAnything(Env& env, const std::string& store) {
  const auto names = env.List(store);
  if (names.status().code() == StatusCode::kNotFound) return false;
  if (!names.ok()) return names.status();
  return std::ranges::any_of(*names, [&](const std::string& name) {
    return !IsNobodysMail(name) && !IsEmptyTree(env, store + "/" + name);
  });
}

Status LostSuperblock(const std::string& why) {
  return MakeStatus(StatusCode::kDataLoss,
                    why +
                        ": put `superblock` back from a backup or a snapshot of this store, or "
                        "restore all of it (\"A part of the store is missing\" in OPERATIONS.md)");
}

}  // namespace

StatusOr<Superblock> ReadSuperblock(Env& env, const std::string& store) {
  const std::string first = store + "/" + kSuperblockNames[0];
  StatusOr<Superblock> superblock = ReadSuperblockFile(env, first);
  const StatusCode code = superblock.status().code();
  if (superblock.ok() || code == StatusCode::kFailedPrecondition) return superblock;
  StatusOr<Superblock> copy = ReadSuperblockFile(env, store + "/" + kSuperblockNames[1]);
  if (copy.ok()) {
    base::Log(base::LogLevel::kWarning, "store_superblock_damaged",
              {{"file", first}, {"why", superblock.status().ToString()}, {"used", "its copy"}});
    return copy;
  }
  const Status why = code == StatusCode::kNotFound ? copy.status() : superblock.status();
  if (why.code() == StatusCode::kDataLoss) return LostSuperblock(std::string(Message(why)));
  if (why.code() != StatusCode::kNotFound) return why;
  POP_ASSIGN_OR_RETURN(const bool holds_anything, HoldsAnything(env, store));
  if (holds_anything) {
    return LostSuperblock(store + " is not empty, but neither `superblock` nor its copy is there");
  }
  return MakeStatus(StatusCode::kNotFound, store + ": no store is there");
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
