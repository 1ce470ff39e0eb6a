// `poplar auth-host` without the rest of poplar: host_main auth-host --shards N PLUGIN.

#include <sys/stat.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "auth/host/auth_host.h"

namespace {

ino_t InodeOf(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return EXIT_FAILURE;
  const auto shards = static_cast<int>(std::strtol(argv[3], nullptr, 10));
  poplar::auth::AuthHostSockets sockets;
  sockets.control = poplar::base::UniqueFd(poplar::auth::kAuthHostControlFd);
  for (int i = 1; i <= shards; ++i) {
    sockets.shards.emplace_back(poplar::auth::kAuthHostControlFd + i);
  }
  poplar::auth::AuthHostOptions options;
  options.plugin = argv[4];
  options.outdated = [plugin = options.plugin, inode = InodeOf(argv[4])] {
    const ino_t now = InodeOf(plugin);
    return now != 0 && now != inode;
  };
  return poplar::auth::RunAuthHost(std::move(sockets), std::move(options));
}
