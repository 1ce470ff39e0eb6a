// Where things are in a store's folder (FORMAT.md section 1). Blocking.

#pragma once

#include <cstdint>
#include <string>

#include "storage/env/env.h"
#include "storage/format/superblock.h"

namespace poplar::storage {

std::string PartitionDirectory(const std::string& store, uint32_t partition);

// The folder that `path` stands in.
std::string ParentOf(std::string path);

// kNotFound: no store is there. Else as DecodeSuperblock.
StatusOr<Superblock> ReadSuperblock(Env& env, const std::string& store);

}  // namespace poplar::storage
