#include "core/base/fd.h"

#include <unistd.h>

namespace poplar::base {

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);  // Nothing to do on failure: Linux frees the number in every case.
  fd_ = -1;
}

}  // namespace poplar::base
