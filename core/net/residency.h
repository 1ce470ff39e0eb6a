// Is a range of a file in the page cache, so that sendfile will not wait for the disk?
//
// cachestat(2) where the kernel has it (6.5) and allows it; else a byte of the range's first and
// last page is read with RWF_NOWAIT, which also starts the kernel's read-ahead. Both may be wrong
// for a moment (a page under way, a hole in the middle); then one sendfile waits once.

#pragma once

#include "core/io/body.h"

namespace poplar::net {

// Any thread.
bool IsResident(const io::FileRange& range);

// The two ways, for tests: unknown is false for the first.
enum class Residency : unsigned char { kResident, kCold, kUnknown };
Residency AskCachestat(const io::FileRange& range);
Residency AskNowait(const io::FileRange& range);

}  // namespace poplar::net
