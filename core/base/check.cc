#include "core/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace poplar::base {

void CheckFailed(const char* file, int line, const char* expression) {
  std::fprintf(stderr, "poplar: internal error at %s:%d: %s does not hold\n", file, line,
               expression);
  std::fflush(stderr);
  std::abort();
}

}  // namespace poplar::base
