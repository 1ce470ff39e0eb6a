// A segment, or what the index has of a maildrop, as text, for whoever has to understand what is on
// disk (FORMAT.md sections 4 and 7). Damage ends nothing: it is a line of its own, and what follows
// it is looked for. What is mailed is shown only where it is asked for. Blocking; changes no file.
//
// A segment: a line for its head, a line a batch, a line a record, in the order of the file; places
// are SEGMENT:OFFSET and ids EPOCH-COUNT, hexadecimal. Octets of names that are not printable ASCII
// are shown as \xNN.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/status.h"
#include "core/base/units.h"
#include "storage/env/env.h"
#include "storage/format/ids.h"

namespace poplar::storage {

// Takes one line without its end.
using LineWriter = std::function<void(std::string_view line)>;

struct DumpReport {
  uint64_t lines = 0;
  uint64_t damages = 0;
};

struct DumpSegmentOptions {
  std::string file;     // The segment's; its name need not be the one it had.
  Env* env = nullptr;   // Null: the system's disk.
  bool bodies = false;  // Messages too, behind their record, a line a line, and all ids of EXPUNGE.
};

// Errors: the file cannot be read. kFailedPrecondition: of a version that this build does not know.
StatusOr<DumpReport> DumpSegment(const DumpSegmentOptions& options, const LineWriter& write);

struct DumpMaildropOptions {
  std::string path;  // Of the store.
  MaildropKey maildrop;
  Env* env = nullptr;  // Null: the system's disk.
  uint64_t index_map_bytes = 64 * kGiB;
};

// As of the last checkpoint; what the log holds behind it is not there. Keeps the store's owner out
// meanwhile. Errors as VerifyStore; kNotFound also where the index knows no such maildrop.
StatusOr<DumpReport> DumpMaildrop(const DumpMaildropOptions& options, const LineWriter& write);

}  // namespace poplar::storage
