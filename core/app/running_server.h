// A running server as the commands of this binary that also work without one see it. Blocking.

#pragma once

#include "core/tenant/config.h"

namespace poplar::app {

// Whether a server owns the store, so that it is the one to ask.
bool StoreIsServed(const tenant::Config& config);

}  // namespace poplar::app
