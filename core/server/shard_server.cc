#include "core/server/shard_server.h"

#include <deque>
#include <utility>

#include "core/base/log.h"
#include "core/base/peer.h"
#include "core/base/probes.h"
#include "core/proto/lmtp/replies.h"
#include "core/proto/pop3/replies.h"
#include "core/server/connection.h"
#include "core/server/lmtp_driver.h"
#include "core/server/pop3_driver.h"

namespace poplar::server {
namespace {

// Receive buffers. POP3 clients send commands, MTAs send mail.
constexpr io::BufferRingOptions kPop3Buffers = {.group = 1, .buffers = 1024, .buffer_bytes = 2048};
constexpr io::BufferRingOptions kLmtpBuffers = {
    .group = 2, .buffers = 128, .buffer_bytes = 64 * 1024};

}  // namespace

std::string_view Name(Service service) {
  switch (service) {
    case Service::kPop3:
      return "pop3";
    case Service::kPop3s:
      return "pop3s";
    case Service::kLmtp:
      return "lmtp";
    case Service::kImport:
      return "import";
    case Service::kExport:
      return "export";
  }
  return "?";
}

Status ShardServer::Prepare(std::shared_ptr<const Settings> settings) {
  services_.settings = std::move(settings);
  POP_ASSIGN_OR_RETURN(services_.pop3, Network::Make(services_.reactor(), kPop3Buffers));
  services_.pop3->certificates = &services_.certificates;
  POP_ASSIGN_OR_RETURN(services_.lmtp, Network::Make(services_.reactor(), kLmtpBuffers));
  return OkStatus();
}

net::NetMetrics& ShardServer::MetricsOf(Service service) {
  const bool speaks_lmtp = service == Service::kLmtp || service == Service::kImport;
  return speaks_lmtp ? services_.lmtp->metrics : services_.pop3->metrics;
}

net::AcceptHandler ShardServer::HandlerOf(Service service) {
  return [this, service](base::UniqueFd socket, const net::Address& peer) {
    switch (service) {
      case Service::kPop3:
      case Service::kPop3s:
      case Service::kExport:
        return AcceptPop3(std::move(socket), peer, service);
      case Service::kLmtp:
      case Service::kImport:
        return AcceptLmtp(std::move(socket), peer, service);
    }
  };
}

StatusOr<net::Address> ShardServer::Listen(Service service, const net::ListenOptions& options) {
  POP_ASSIGN_OR_RETURN(
      std::unique_ptr<net::Listener> listener,
      net::Listener::Open(services_.reactor(), options, MetricsOf(service), HandlerOf(service)));
  listeners_.push_back(std::move(listener));
  return listeners_.back()->bound();
}

StatusOr<net::Address> ShardServer::Adopt(Service service, base::UniqueFd socket,
                                          const net::ListenOptions& options) {
  POP_ASSIGN_OR_RETURN(std::unique_ptr<net::Listener> listener,
                       net::Listener::Adopt(services_.reactor(), std::move(socket), options,
                                            MetricsOf(service), HandlerOf(service)));
  listeners_.push_back(std::move(listener));
  return listeners_.back()->bound();
}

StatusOr<base::UniqueFd> ShardServer::SocketToShare() const {
  return listeners_.back()->ShareSocket();
}

void ShardServer::AcceptPop3(base::UniqueFd socket, const net::Address& peer, Service service) {
  const Pop3Settings& settings = services_.settings->pop3;
  const bool implicit_tls = service == Service::kPop3s;
  // Over implicit TLS nothing can be said before a handshake that the flood is not worth.
  const std::string_view refusal =
      implicit_tls ? std::string_view() : pop3::reply::kTooManyConnections;
  if (draining_) {  // Accepted by the kernel before the listener was closed.
    return net::RefuseConnection(std::move(socket), implicit_tls ? "" : pop3::reply::kShuttingDown);
  }
  const bool exports = service == Service::kExport;
  if (exports && !base::PeerIsTrusted(socket.get())) {
    return net::RefuseConnection(std::move(socket), pop3::reply::kNotForYou);
  }
  Door& door = services_.door;
  if (!door.pop3.Enter(settings.connections_max)) {
    services_.metrics.pop3_refused.Add();
    return net::RefuseConnection(std::move(socket), refusal);
  }
  const bool proxied = peer.IsIn(settings.proxy_networks);
  // Of those who speak for others, the others count, as soon as they are known.
  const bool counted = !proxied && !peer.IsIn(settings.xclient_networks);
  if (counted && !door.pop3_clients.Enter(peer, settings.connections_per_address_max)) {
    door.pop3.Leave();
    services_.metrics.pop3_refused_per_address.Add();
    return net::RefuseConnection(std::move(socket), refusal);
  }
  const int fd = socket.get();
  auto driver =
      std::make_unique<Pop3Driver>(services_, Pop3Driver::Accepted{.socket = std::move(socket),
                                                                   .peer = peer,
                                                                   .implicit_tls = implicit_tls,
                                                                   .exports = exports,
                                                                   .proxied = proxied,
                                                                   .counted = counted});
  POPLAR_PROBE_ACCEPT(driver->id().value(), Name(service).data(), fd);
  services_.registry.Add(std::move(driver));
}

void ShardServer::AcceptLmtp(base::UniqueFd socket, const net::Address& peer, Service service) {
  if (draining_) return net::RefuseConnection(std::move(socket), lmtp::reply::kShuttingDown);
  const bool imports = service == Service::kImport;
  if (imports && !base::PeerIsTrusted(socket.get())) {
    return net::RefuseConnection(std::move(socket), lmtp::reply::kNotForYou);
  }
  if (!services_.door.lmtp.Enter(services_.settings->lmtp.connections_max)) {
    services_.metrics.lmtp_refused.Add();
    return net::RefuseConnection(std::move(socket), lmtp::reply::kTooManyConnections);
  }
  const bool proxied = peer.IsIn(services_.settings->lmtp.proxy_networks);
  const int fd = socket.get();
  auto driver = std::make_unique<LmtpDriver>(
      services_,
      LmtpDriver::Accepted{
          .socket = std::move(socket), .peer = peer, .imports = imports, .proxied = proxied});
  POPLAR_PROBE_ACCEPT(driver->id().value(), Name(service).data(), fd);
  services_.registry.Add(std::move(driver));
}

void ShardServer::BeginDrain() {
  draining_ = true;
  stop_task_ = StopListeners();
  stop_task_.Start();
  services_.registry.EndAll(EndCause::kDrain);
}

io::Task<void> ShardServer::StopListeners() {
  std::deque<io::Completion<net::Stopped>> stopped(listeners_.size());
  for (size_t i = 0; i < listeners_.size(); ++i) listeners_[i]->StopAccepting(stopped[i]);
  for (io::Completion<net::Stopped>& each : stopped) co_await each;
  listeners_.clear();
  stopped_listeners_ = true;
}

}  // namespace poplar::server
