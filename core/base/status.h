// Errors of cold paths: absl::Status and absl::StatusOr, with std::string_view in and out. (Debian
// builds abseil with a string_view of its own that does not convert to std's in either direction.)
// Hot paths and parsers use small enums.
//
// Codes as Poplar uses them: kUnavailable and kDeadlineExceeded are ours and temporary;
// kResourceExhausted is a full disk, queue or quota; kDataLoss is damage found on disk;
// kInvalidArgument is somebody's input; kFailedPrecondition is a situation that the operator must
// change; kNotFound and kAlreadyExists speak for themselves.

#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace poplar {

using absl::Status;
using absl::StatusCode;
using absl::StatusOr;

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

inline Status OkStatus() { return Status(); }
inline Status MakeStatus(StatusCode code, std::string_view message) {
  return Status(code, ToAbsl(message));
}
inline std::string_view Message(const Status& status) { return ToStd(status.message()); }

// What a system call said: "`what`: No space left on device". ENOSPC and EDQUOT become
// kResourceExhausted, ENOENT kNotFound, EEXIST kAlreadyExists, EACCES and EPERM kPermissionDenied,
// EINVAL kInvalidArgument, EXDEV kFailedPrecondition, everything else kUnavailable.
Status ErrnoStatus(int error_number, std::string_view what);

// The same status with "`where`: " before its message.
Status Annotate(const Status& status, std::string_view where);

}  // namespace poplar

#define POP_RETURN_IF_ERROR(expression)          \
  do {                                           \
    ::poplar::Status pop_status_ = (expression); \
    if (!pop_status_.ok()) return pop_status_;   \
  } while (false)

#define POP_STATUS_CONCAT_INNER_(a, b) a##b
#define POP_STATUS_CONCAT_(a, b) POP_STATUS_CONCAT_INNER_(a, b)

// The target may be a declaration, so it has no parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
// POP_ASSIGN_OR_RETURN(auto file, OpenFile(path));
#define POP_ASSIGN_OR_RETURN(target, expression)                          \
  auto POP_STATUS_CONCAT_(pop_result_, __LINE__) = (expression);          \
  if (!POP_STATUS_CONCAT_(pop_result_, __LINE__).ok())                    \
    return std::move(POP_STATUS_CONCAT_(pop_result_, __LINE__)).status(); \
  target = std::move(POP_STATUS_CONCAT_(pop_result_, __LINE__)).value()
// NOLINTEND(bugprone-macro-parentheses)
