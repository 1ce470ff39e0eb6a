// Is a range of a file in the page cache, so that sendfile will not wait for the disk?
//
// cachestat(2) where the kernel has it (6.5) and allows it. It counts pages that are still on their
// way, too, which come in order, so then the last byte is read, without waiting for it. Else
// mincore(2), which knows each page, but costs some microseconds. That begins no read: a probe of
// both ends would bring these, and have a cold middle taken for as warm.

#pragma once

#include "core/io/body.h"

namespace poplar::net {

// Any thread. `just_read`: what stands before it was not there and has been read, so that much of
// the range may be on its way; each page is looked at.
bool IsResident(const io::FileRange& range, bool just_read = false);

// The two ways, for tests. Unknown: this kernel has no cachestat; it cannot be mapped.
enum class Residency : unsigned char { kResident, kCold, kUnknown };
Residency AskCachestat(const io::FileRange& range);
Residency AskMincore(const io::FileRange& range);

}  // namespace poplar::net
