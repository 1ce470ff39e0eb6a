// Reading ahead in an LMDB file. LMDB maps its file, and a page is read when it is touched: a cold
// list of 2,500 pages, which lie anywhere, is as many waits for the disk, one after the other.
// Where they lie stands in the few branch pages above them. These are read first, and then the
// kernel is asked for all others at once. LMDB has no call for that, so its file is read past it;
// nothing relies on what is found there, it only says which pages will be wanted soon.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "storage/index/lmdb_pages.h"

namespace poplar::storage {

// The leaf pages that hold the keys of `tree` which begin with `prefix`, in the order of the keys,
// and at most one before them; the kernel was asked to read them all. Fewer where there are very
// many, or where `file` is not as expected. Blocks for the branch pages. REQUIRES: a transaction
// that only reads goes on while the pages are wanted.
std::vector<uint64_t> ReadAhead(int file, size_t page_bytes, const LmdbTree& tree,
                                std::string_view prefix);

}  // namespace poplar::storage
