// How the poplar command ends: the codes of sysexits.h, as the README of this folder lists them.

#pragma once

#include <sysexits.h>

#include "core/base/status.h"

namespace poplar::app {

enum class ExitCode : int {
  kOk = EX_OK,
  kUsage = EX_USAGE,              // The command line is wrong.
  kDataError = EX_DATAERR,        // What was handed in is wrong: a password, a message too large.
  kNoInput = EX_NOINPUT,          // Standard input could not be read, or a file is not there.
  kNoUser = EX_NOUSER,            // There is no such user, tenant or session.
  kUnavailable = EX_UNAVAILABLE,  // No server runs here, or it refused for good.
  kSoftware = EX_SOFTWARE,        // A fault of Poplar's.
  kCannotCreate = EX_CANTCREAT,   // It is there already, or cannot be made.
  kIoError = EX_IOERR,            // A file is damaged, or could not be read or written.
  kTemporary = EX_TEMPFAIL,       // Try again later.
  kNoPermission = EX_NOPERM,      // This user may not.
  kConfig = EX_CONFIG,            // The configuration is wrong.
};

// The code that fits an error of a command.
ExitCode ExitCodeOf(const Status& status);
// The same of an error about what a command was given to read: what is not found is a file.
ExitCode InputCodeOf(const Status& status);

}  // namespace poplar::app
