#include "core/app/commands/check_places.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "core/base/fd.h"

namespace poplar::app {
namespace {

// A file there would not be replaced, and the server not started.
bool IsInTheWay(const std::string& path) {
  struct stat found{};
  return !path.empty() && lstat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode);
}

// By binding a port that the kernel chooses. IPv6 is left alone: where there is none it is skipped.
bool IsElsewhere(const std::string& host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return false;
  const base::UniqueFd probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return false;
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  return bind(probe.get(), generic, sizeof address) != 0 && errno == EADDRNOTAVAIL;
}

}  // namespace

std::vector<PlaceFinding> CheckPlaces(const tenant::Config& config) {
  std::vector<PlaceFinding> findings;
  for (const auto& [setting, path] :
       {std::pair<std::string, std::string>{"lmtp.socket", config.lmtp.socket},
        {"admin.socket", config.admin.socket}}) {
    if (!IsInTheWay(path)) continue;
    findings.push_back({setting, path + " is not a socket, and stands in its way; move it away"});
  }
  const auto look = [&findings](const std::string& setting, const auto& addresses) {
    for (const tenant::ListenAddress& address : addresses) {
      if (!IsElsewhere(address.host)) continue;
      findings.push_back({setting,
                          "this machine does not have the address " + address.host +
                              " now; without it the server does not start",
                          false});
    }
  };
  look("pop3.listen", config.pop3.listen);
  look("pop3s.listen", config.pop3s.listen);
  look("lmtp.listen", config.lmtp.listen);
  look("setup.listen", config.setup.listen);
  if (config.http.listen) look("http.listen", std::vector{*config.http.listen});
  return findings;
}

std::string WhyPartitionsDoNotCount(const tenant::StoreConfig& store) {
  if (store.partitions == 0) return "";  // One for each core, whatever that is by now.
  std::error_code error;
  uint32_t there = 0;
  for (const auto& entry : std::filesystem::directory_iterator(store.path, error)) {
    const std::string name = entry.path().filename();
    const bool is_partition =
        name.size() > 1 && name.front() == 'p' &&
        std::ranges::all_of(name.substr(1), [](char c) { return c >= '0' && c <= '9'; });
    if (is_partition) ++there;
  }
  if (there == 0 || there == store.partitions) return "";
  return "the store has " + std::to_string(there) +
         ", and keeps them: this number counts only when a store is made";
}

}  // namespace poplar::app
