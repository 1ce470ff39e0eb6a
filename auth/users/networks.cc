#include "auth/users/networks.h"

#include <algorithm>
#include <optional>
#include <string>

#include "core/base/ip.h"

namespace poplar::auth {
namespace {

std::string_view TakeFirst(std::string_view& list) {
  const size_t comma = std::min(list.find(','), list.size());
  const std::string_view first = list.substr(0, comma);
  list.remove_prefix(std::min(comma + 1, list.size()));
  return first;
}

}  // namespace

Status CheckNetworks(std::string_view networks) {
  if (networks.size() > kNetworksBytesMax) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "the networks are too many: " + std::to_string(kNetworksBytesMax) +
                          " characters are the most");
  }
  while (!networks.empty()) {
    POP_RETURN_IF_ERROR(base::IpNetwork::Parse(TakeFirst(networks)).status());
  }
  return OkStatus();
}

bool InNetworks(std::string_view networks, std::string_view address) {
  const std::optional<base::IpAddress> client = base::IpAddress::Parse(address);
  if (!client) return false;
  while (!networks.empty()) {
    const StatusOr<base::IpNetwork> network = base::IpNetwork::Parse(TakeFirst(networks));
    if (network.ok() && network->Contains(*client)) return true;
  }
  return false;
}

}  // namespace poplar::auth
