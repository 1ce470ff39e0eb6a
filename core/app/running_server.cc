#include "core/app/running_server.h"

#include <utility>

#include "core/ops/admin_client.h"
#include "storage/env/env.h"

namespace poplar::app {

bool StoreIsServed(const tenant::Config& config) {
  const auto lock = storage::SystemEnv().LockToRead(config.store.path + "/lock");
  return lock.status().code() == StatusCode::kFailedPrecondition;
}

StatusOr<nlohmann::json> AskServer(const tenant::Config& config, std::string command,
                                   nlohmann::json arguments, uint32_t timeout_ms) {
  return ops::CallAdmin({.socket_path = config.admin.socket,
                         .command = std::move(command),
                         .arguments = std::move(arguments),
                         .timeout_ms = timeout_ms});
}

}  // namespace poplar::app
