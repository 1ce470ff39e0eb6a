#include "core/app/commands/ask_server.h"

#include <utility>

#include "core/ops/admin_client.h"

namespace poplar::app {

StatusOr<nlohmann::json> AskServer(const tenant::Config& config, std::string command,
                                   nlohmann::json arguments, uint32_t timeout_ms) {
  return ops::CallAdmin({.socket_path = config.admin.socket,
                         .command = std::move(command),
                         .arguments = std::move(arguments),
                         .timeout_ms = timeout_ms});
}

}  // namespace poplar::app
