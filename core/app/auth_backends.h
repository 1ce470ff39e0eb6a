// The configured back ends of authentication, as the server uses them, and the process that the
// server starts for plug-ins.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "auth/remote/remote_backends.h"
#include "auth/remote/tenant_lister.h"
#include "auth/schemes/hasher_pool.h"
#include "auth/service/auth_service.h"
#include "core/app/exit_code.h"
#include "core/app/wiring.h"
#include "core/base/mail_policy.h"
#include "core/base/status.h"
#include "core/io/shard.h"
#include "core/tenant/config.h"

namespace poplar::app {

// Starts the hosts of all plug-ins that are configured; null when there are none. Errors are
// sentences for the operator.
StatusOr<std::unique_ptr<auth::RemoteBackends>> StartRemoteBackends(const tenant::Config& config,
                                                                    auth::HostSpawner& spawner,
                                                                    io::ShardSet& shards,
                                                                    const PolicyBoard& tenants);

// How users.tenants_backend is asked. REQUIRES: it is set.
auth::TenantListerOptions TenantListerOptionsOf(const tenant::Config& config,
                                                auth::HostSpawner& spawner);

// The back ends of the configuration: its chain, then those that only tenants name. `remote`,
// `tenants` and `hashers` outlive it.
StatusOr<std::vector<auth::BackendSource>> MakeChain(const tenant::Config& config,
                                                     auth::HasherPool& hashers,
                                                     const PolicyBoard& tenants,
                                                     auth::RemoteBackends* remote);

// What the start would refuse of them: plug-ins that cannot be loaded or are of another version,
// settings that are wrong, files that cannot be read. Starts the plug-ins' hosts and ends them.
std::vector<BackendFault> CheckBackends(const tenant::Config& config);

// Whether a back end can say whose an address is; true where a plug-in does not start, which others
// tell. Starts a plug-in's host and ends it.
bool BackendKnowsAddresses(const tenant::BackendConfig& backend);

// What to say of `auth.host_threads`, where it is so small that tenants wait for each other; or "".
std::string WarnOfHostThreads(const tenant::Config& config);

// What to say of `auth.penalty_delay_max_ms`, where a client's time to log in ends before; or "".
std::string WarnOfPenalties(const tenant::Config& config);

// What failed log-ins have to wait.
auth::ThrottleOptions ThrottleOptionsOf(const tenant::AuthConfig& config);

// `poplar auth-host`: this process becomes a plug-in's. REQUIRES: its sockets are where the server
// that started it has put them.
ExitCode RunPlugin(const AuthHostCommand& command);

}  // namespace poplar::app
