#include "core/app/listeners.h"

#include <algorithm>
#include <utility>

#include "core/app/commands/ask_server.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using tenant::ListenAddress;

// Of the running server's memory: it answers at once, or something else is wrong.
constexpr uint32_t kShowTimeoutMs = 10'000;

// Those that a TCP client can go to.
std::vector<ListenAddress> AddressesOf(std::string_view protocol, const Listeners& listeners) {
  std::vector<ListenAddress> addresses;
  for (const Listener& listener : listeners) {
    if (listener.protocol != protocol) continue;
    auto address = ListenAddress::Parse(listener.address);
    if (address.ok()) addresses.push_back(*std::move(address));
  }
  return addresses;
}

}  // namespace

json ShownToJson(const ServerShown& shown) {
  json list = json::array();
  for (const Listener& listener : shown.listeners) {
    list.push_back({{"protocol", listener.protocol},
                    {"address", listener.address},
                    {"inherited", listener.inherited}});
  }
  return {{"listeners", std::move(list)}, {"descriptors_max", shown.descriptors_max}};
}

StatusOr<ServerShown> AskToShowItself(const tenant::Config& config) {
  POP_ASSIGN_OR_RETURN(const json answer,
                       AskServer(config, "server.show", json::object(), kShowTimeoutMs));
  ServerShown shown{.listeners = {},
                    .descriptors_max = answer.value("descriptors_max", uint64_t{0})};
  for (const json& listener : answer.value("listeners", json::array())) {
    shown.listeners.push_back({.protocol = listener.value("protocol", ""),
                               .address = listener.value("address", ""),
                               .inherited = listener.value("inherited", false)});
  }
  return shown;
}

tenant::Config AsListening(tenant::Config config, const Listeners& listeners) {
  config.pop3.listen = AddressesOf("pop3", listeners);
  config.pop3s.listen = AddressesOf("pop3s", listeners);
  config.lmtp.listen = AddressesOf("lmtp", listeners);
  config.lmtp.socket.clear();
  for (const Listener& listener : listeners) {
    const bool is_socket =
        listener.protocol == "lmtp" && listener.address.starts_with(kUnixListener);
    if (is_socket) config.lmtp.socket = listener.address.substr(kUnixListener.size());
  }
  auto setup = AddressesOf("setup", listeners);
  if (!setup.empty()) config.setup.listen = std::move(setup);
  const auto http = AddressesOf("http", listeners);
  if (!http.empty()) config.http.listen = http.front();
  return config;
}

std::vector<ListenAddress> NotListenedAt(std::string_view protocol,
                                         const std::vector<ListenAddress>& listen,
                                         const Listeners& listeners) {
  const bool inherited = std::ranges::any_of(listeners, [&](const Listener& listener) {
    return listener.inherited && listener.protocol == protocol;
  });
  std::vector<ListenAddress> missing;
  if (inherited) return missing;
  const std::vector<ListenAddress> taken = AddressesOf(protocol, listeners);
  for (const ListenAddress& address : listen) {
    // The kernel chose one for it.
    if (address.port == 0) continue;
    if (std::ranges::find(taken, address) == taken.end()) missing.push_back(address);
  }
  return missing;
}

}  // namespace poplar::app
