#include "core/app/serve.h"
#include "storage/engine/engine.h"

namespace poplar::app {

Status InitStore(const tenant::Config& config) {
  return storage::CreateStore(config.store.path, {.partitions = config.store.partitions});
}

}  // namespace poplar::app
