// Where things are in a store's folder (FORMAT.md section 1). Blocking.

#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "storage/env/env.h"
#include "storage/format/superblock.h"

namespace poplar::storage {

std::string PartitionDirectory(const std::string& store, uint32_t partition);

// The folder that `path` stands in.
std::string ParentOf(std::string path);

// The two files that hold it, alike.
inline constexpr std::array<const char*, 2> kSuperblockNames = {"superblock", "superblock.copy"};

// Where the first is damaged or missing the second counts, and a line in the log says so.
// kNotFound: no store is there, nor anything else that somebody might miss. kDataLoss: something is
// there, but neither of the two is sound. Else as DecodeSuperblock.
StatusOr<Superblock> ReadSuperblock(Env& env, const std::string& store);
// Of one of the two.
StatusOr<Superblock> ReadSuperblockFile(Env& env, const std::string& path);

// Both files, the second first; durably.
Status WriteSuperblock(Env& env, const std::string& store, const Superblock& superblock);
// Those that are missing or damaged. REQUIRES: owns the store.
Status MendSuperblock(Env& env, const std::string& store, const Superblock& superblock);

// Makes the folder of arriving bodies if it is missing, and drops those that were arriving when the
// last run ended. One that stays costs its space, and nobody else their mail: a line in the log.
Status EmptyIncoming(Env& env, const std::string& directory);

}  // namespace poplar::storage
