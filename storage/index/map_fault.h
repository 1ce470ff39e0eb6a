// Reads of a mapped file that fail. A block that the disk cannot read, or a file that was cut
// short, is a SIGBUS to whoever touches the page, and a damaged file can lead its reader to
// addresses that are nobody's (SIGSEGV). Here such a fault ends one call, not the process.

#pragma once

#include "absl/functional/function_ref.h"

namespace poplar::storage {

// Runs `call`. False: it met a fault, or ended by GiveUp, and did not come to its end. Then nothing
// that it was in the middle of may be used again, nor freed. So it must be C code, or be like it:
// nothing in it waits to be destroyed or unlocked, and it writes only what it may lose.
//
// Any thread; not within another. A fault outside of such a call ends the process as ever.
bool RunGuarded(absl::FunctionRef<void()> call);

// Ends the call of this thread that is under way as a fault would. Returns where there is none.
void GiveUp();

}  // namespace poplar::storage
