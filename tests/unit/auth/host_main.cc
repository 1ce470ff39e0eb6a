// `poplar auth-host` without the rest of poplar: host_main auth-host --shards N PLUGIN.

#include <cstdlib>
#include <utility>

#include "auth/host/auth_host.h"

int main(int argc, char** argv) {
  if (argc < 5) return EXIT_FAILURE;
  const auto shards = static_cast<int>(std::strtol(argv[3], nullptr, 10));
  poplar::auth::AuthHostSockets sockets;
  sockets.control = poplar::base::UniqueFd(poplar::auth::kAuthHostControlFd);
  for (int i = 1; i <= shards; ++i) {
    sockets.shards.emplace_back(poplar::auth::kAuthHostControlFd + i);
  }
  return poplar::auth::RunAuthHost(std::move(sockets), {.plugin = argv[4]});
}
