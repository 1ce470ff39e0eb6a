// The services of one shard: its listeners, the limits at its door, and its share of a reload and
// of the end. Made, used and destroyed on the shard's thread.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/fd.h"
#include "core/base/status.h"
#include "core/io/task.h"
#include "core/net/listener.h"
#include "core/server/shard_services.h"

namespace poplar::server {

// The last two are private Unix sockets, for root and the server's own user.
enum class Service : uint8_t { kPop3, kPop3s, kLmtp, kImport, kExport };
std::string_view Name(Service service);

class ShardServer {
 public:
  ShardServer(io::Shard& shard, storage::ShardStore& store, auth::ShardAuth& auth, Door& door,
              const PolicyBoard& policies, const CertificateSource& certificates)
      : services_(shard, store, auth, door, policies, certificates) {}
  // REQUIRES: drained().
  ~ShardServer() = default;

  Status Prepare(std::shared_ptr<const Settings> settings);
  ShardServices& services() { return services_; }

  // Opens a listener; the address it has got, for the shards that open the same.
  StatusOr<net::Address> Listen(Service service, const net::ListenOptions& options);
  // Accepts from a socket that listens already: what the service manager handed over, or another
  // descriptor of the Unix socket that the first shard opened.
  StatusOr<net::Address> Adopt(Service service, base::UniqueFd socket,
                               const net::ListenOptions& options);
  // Of the listener that was made last.
  StatusOr<base::UniqueFd> SocketToShare() const;

  // For sessions from here on.
  void Reload(std::shared_ptr<const Settings> settings) {
    services_.settings = std::move(settings);
  }

  // Stops accepting and asks all sessions to end.
  void BeginDrain();
  void AbortAll() { services_.registry.AbortAll(); }
  bool drained() const {
    return stopped_listeners_ && services_.registry.size() == 0 && services_.certificates.idle();
  }

 private:
  net::AcceptHandler HandlerOf(Service service);
  net::NetMetrics& MetricsOf(Service service);
  void AcceptPop3(base::UniqueFd socket, const net::Address& peer, Service service);
  void AcceptLmtp(base::UniqueFd socket, const net::Address& peer, Service service);
  io::Task<void> StopListeners();

  ShardServices services_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  io::Task<void> stop_task_;
  bool draining_ = false;
  bool stopped_listeners_ = false;
};

}  // namespace poplar::server
