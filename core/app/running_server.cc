#include "core/app/running_server.h"

#include "storage/env/env.h"

namespace poplar::app {

bool StoreIsServed(const tenant::Config& config) {
  const auto lock = storage::SystemEnv().LockToRead(config.store.path + "/lock");
  return lock.status().code() == StatusCode::kFailedPrecondition;
}

}  // namespace poplar::app
