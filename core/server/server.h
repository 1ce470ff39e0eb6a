// The running service: a ShardServer on every shard, started, reloaded, looked at and ended from
// one thread that is no shard's (the main thread and the admin socket's).

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/api/auth.h"
#include "core/base/fd.h"
#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/io/shard.h"
#include "core/server/connection.h"
#include "core/server/shard_server.h"
#include "core/tenant/config.h"
#include "storage/api/store.h"

namespace poplar::server {

class Server {
 public:
  // What the service works on; all of it outlives the Server.
  struct Parts {
    io::ShardSet& shards;
    storage::Store& store;
    std::vector<auth::ShardAuth*> auth;  // By shard.
    const PolicyBoard& policies;         // For CAPA, admission, and domains that are left out.
    CertificateSource certificates;
    base::BindFunction bind = &::bind;  // While the Server starts.
  };

  // Sockets that listen already, handed over by the service manager. Those of a kind stand in place
  // of all the addresses that the configuration has for it.
  struct Inherited {
    std::vector<base::UniqueFd> pop3;
    std::vector<base::UniqueFd> pop3s;
    std::vector<base::UniqueFd> lmtp;
    std::vector<base::UniqueFd> lmtp_unix;
  };

  struct Listening {
    Service service;
    std::string address;  // With the port that was taken.
    bool inherited;
  };

  // Opens all listeners, or none. Errors name the address.
  static StatusOr<std::unique_ptr<Server>> Start(const tenant::Config& config,
                                                 std::shared_ptr<const net::TlsContext> tls,
                                                 Parts parts, Inherited inherited = {});
  // REQUIRES: Drain returned.
  ~Server();

  const std::vector<Listening>& listening() const { return listening_; }
  void Register(base::MetricRegistry& registry);

  // Sessions that begin from now on see the new settings. Listeners stay as they are.
  void Reload(const tenant::Config& config, std::shared_ptr<const net::TlsContext> tls);

  std::vector<ConnectionInfo> Sessions();
  // False: there is no such session.
  bool Kick(SessionId id);
  // All that `which` picks, and how many. It is asked on each shard in turn.
  uint64_t Kick(const std::function<bool(const ConnectionInfo&)>& which);

  // Stops accepting, lets replies and deliveries in flight end, tells waiting clients, and cuts
  // what is left after `limit_ms`. Returns when the last connection is gone: how many had to be
  // cut.
  uint64_t Drain(uint64_t limit_ms);

 private:
  explicit Server(Parts parts);

  std::shared_ptr<const Settings> SettingsOf(const tenant::Config& config,
                                             std::shared_ptr<const net::TlsContext> tls);
  Status Listen(Service service, net::ListenOptions options);
  Status ListenShared(Service service, net::ListenOptions options, base::UniqueFd inherited = {});
  Status ListenOnAll(const tenant::Config& config, bool tls, Inherited inherited);
  uint64_t ConnectionsLeft();

  const Parts parts_;
  const std::string run_;  // Tells this run from others.
  Door door_;
  base::Gauge pop3_connections_max_;  // In force.
  base::Gauge lmtp_connections_max_;
  std::vector<std::unique_ptr<ShardServer>> servers_;  // By shard.
  std::vector<ShardServices*> services_by_shard_;
  std::vector<Listening> listening_;
};

}  // namespace poplar::server
