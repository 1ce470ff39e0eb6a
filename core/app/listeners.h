// Where a running server listens, as it tells on the admin socket (`server.show`), and a
// configuration with that in the place of what the file has: sockets of the service manager are in
// no file. Plain values; any thread.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// What the address of a Unix socket begins with; then comes its path.
inline constexpr std::string_view kUnixListener = "unix:";

struct Listener {
  std::string protocol;    // As `listening` in the log names it: "pop3", "http", "setup".
  std::string address;     // With the port that was taken.
  bool inherited = false;  // From the service manager.
};
using Listeners = std::vector<Listener>;

// What a server says of itself.
struct ServerShown {
  Listeners listeners;
  uint64_t descriptors_max = 0;  // That it may have, by its unit or its shell.
};
nlohmann::json ShownToJson(const ServerShown& shown);
// Of a running server. kFailedPrecondition: none runs; kUnimplemented: it is an older one.
StatusOr<ServerShown> AskToShowItself(const tenant::Config& config);

// The `listen` addresses are those where mail is really served; those of pages too, where there are
// any.
tenant::Config AsListening(tenant::Config config, const Listeners& listeners);

// Of one section's `listen`: what it names and no socket has. Empty where the service manager's
// sockets stand in place of it.
std::vector<tenant::ListenAddress> NotListenedAt(std::string_view protocol,
                                                 const std::vector<tenant::ListenAddress>& listen,
                                                 const Listeners& listeners);

}  // namespace poplar::app
