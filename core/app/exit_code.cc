#include "core/app/exit_code.h"

namespace poplar::app {

ExitCode ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return ExitCode::kOk;
    case StatusCode::kInvalidArgument:
    case StatusCode::kOutOfRange:
      return ExitCode::kDataError;
    case StatusCode::kNotFound:
      return ExitCode::kNoUser;
    case StatusCode::kAlreadyExists:
      return ExitCode::kCannotCreate;
    case StatusCode::kPermissionDenied:
    case StatusCode::kUnauthenticated:
      return ExitCode::kNoPermission;
    case StatusCode::kFailedPrecondition:
    case StatusCode::kUnimplemented:
      return ExitCode::kUnavailable;
    case StatusCode::kUnavailable:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kResourceExhausted:
    case StatusCode::kAborted:
    case StatusCode::kCancelled:
      return ExitCode::kTemporary;
    case StatusCode::kDataLoss:
      return ExitCode::kIoError;
    default:
      return ExitCode::kSoftware;
  }
}

ExitCode InputCodeOf(const Status& status) {
  return status.code() == StatusCode::kNotFound ? ExitCode::kNoInput : ExitCodeOf(status);
}

}  // namespace poplar::app
