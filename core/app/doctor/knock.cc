#include "core/app/doctor/knock.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/fd.h"
#include "core/net/address.h"

namespace poplar::app {
namespace {

// From where a listener on all addresses is reached on this machine.
std::string HostOf(const tenant::ListenAddress& address) {
  if (address.host == "0.0.0.0") return "127.0.0.1";
  return address.host == "::" ? "::1" : address.host;
}

}  // namespace

bool MachineHasIpv6() {
  const base::UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in6 loopback{.sin6_family = AF_INET6,
                              .sin6_port = 0,
                              .sin6_flowinfo = 0,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                              .sin6_scope_id = 0};
  return fd.valid() &&
         ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback) == 0;
}

StatusOr<LineConnection> KnockAt(const tenant::ListenAddress& address) {
  return LineConnection::ToTcp(HostOf(address), address.port, kKnockTimeoutS);
}

Status Introduce(LineConnection& connection, const tenant::ListenAddress& address,
                 const std::vector<base::IpNetwork>& proxies) {
  const auto parsed = net::Address::Parse(address.is_ipv6() ? "[" + HostOf(address) + "]:1"
                                                            : HostOf(address) + ":1");
  if (!parsed.ok() || !parsed->IsIn(proxies)) return OkStatus();
  return connection.Write("PROXY UNKNOWN\r\n");
}

}  // namespace poplar::app
