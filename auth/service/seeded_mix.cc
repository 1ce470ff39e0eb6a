#include "auth/service/seeded_mix.h"

#include <sys/random.h>

#include "core/base/check.h"

namespace poplar::auth {

uint64_t NewSeed() {
  uint64_t seed = 0;
  POP_CHECK(::getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
  return seed;
}

}  // namespace poplar::auth
