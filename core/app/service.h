// The running server: every part made in order, with references to those before it, and ended in
// the reverse order. The only place that names concrete back ends.
//
// Made, used and ended on the main thread, which is no shard's.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "auth/remote/remote_backends.h"
#include "auth/schemes/hasher_pool.h"
#include "auth/service/auth_service.h"
#include "core/app/config_metrics.h"
#include "core/app/descriptors.h"
#include "core/app/inherited_sockets.h"
#include "core/app/listeners.h"
#include "core/app/policy_watch.h"
#include "core/app/removal_sweep.h"
#include "core/app/server_sandbox.h"
#include "core/app/tenant_metrics.h"
#include "core/app/tenant_query.h"
#include "core/app/usage_writer.h"
#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/io/offload_pool.h"
#include "core/io/shard.h"
#include "core/net/certificate_store.h"
#include "core/net/files_watch.h"
#include "core/net/tls_context.h"
#include "core/ops/admin_server.h"
#include "core/ops/http_server.h"
#include "core/ops/readiness.h"
#include "core/server/server.h"
#include "core/setup/setup_server.h"
#include "core/tenant/config.h"
#include "storage/engine/engine.h"

namespace poplar::app {

class Service {
 public:
  // Whether what tenants do is written down, for bills.
  enum class Usage : uint8_t { kWritten, kNotCounted };

  // Serves from the moment it returns. Errors are sentences for the operator.
  // `sandbox` outlives the service; the last step closes it. `recovered` is called when the store
  // and the back ends are there, before anybody is served.
  static StatusOr<std::unique_ptr<Service>> Start(const tenant::Config& config, Usage usage,
                                                  ServerSandbox& sandbox,
                                                  InheritedSockets inherited = {},
                                                  const std::function<void()>& recovered = {});
  // REQUIRES: Drain was called.
  ~Service();

  // Takes what can change without a restart; the rest is named in the log. On an error everything
  // stays as it was.
  Status Reload(const tenant::Config& next);
  // A reload that did not come so far: the file is wrong.
  void ReloadRefused() { config_metrics_.Refused(); }
  // Takes the default certificate again where its files changed since it was read. One that cannot
  // be used is told, once, and the one before goes on; the next look tries again.
  void LookAtCertificate();
  // Ends all sessions within the configured limit, and the store in order.
  Status Drain();
  // How long the sessions may take, as of the last reload.
  uint32_t drain_limit_s() const { return drain_limit_s_; }
  io::ShardSet& shards() { return *shards_; }

 private:
  Service(const tenant::Config& config, ServerSandbox& sandbox, InheritedSockets inherited)
      : sandbox_(sandbox),
        started_with_(config),
        config_(config),
        inherited_(std::move(inherited)),
        drain_limit_s_(config.server.drain_limit_s),
        config_metrics_(config, base::SystemClock()) {}

  Status TakeConfig(const tenant::Config& next);
  Status MakeShardsAndPools();
  Status MakeStore();
  Status MakeAuth();
  Status MakeServer();
  Status MakeHttp();
  void MakeUsageWriter();
  Status MakeSetup();
  Status MakeAdmin();
  // Also has the certificates of hosts looked at again.
  StatusOr<std::shared_ptr<const net::TlsContext>> LoadTls(const tenant::Config& config);
  ops::AdminHandlers AdminHandlers();
  void AddDrainHandlers(ops::AdminHandlers& handlers);
  void RegisterMetrics();
  void RegisterCertificates();
  // Of mail and metrics; those of set-up pages come with them.
  void TakeListeners();
  void LogListening();

  ServerSandbox& sandbox_;
  const tenant::Config started_with_;
  tenant::Config config_;  // As of the last reload.
  InheritedSockets inherited_;
  std::atomic<uint32_t> drain_limit_s_;
  std::atomic<uint64_t> drain_began_us_{0};  // 0: it has not.
  base::MetricRegistry metrics_;
  ConfigMetrics config_metrics_;
  ops::Readiness readiness_;
  std::atomic<bool> ending_{false};  // A long admin command is to give up.
  std::shared_ptr<net::TicketKeys> tickets_;
  std::unique_ptr<io::ShardSet> shards_;
  std::unique_ptr<io::OffloadPool> hash_pool_;
  std::unique_ptr<io::OffloadPool> disk_pool_;
  std::unique_ptr<io::OffloadPool> certificate_pool_;
  net::CertificateStore certificates_{base::SystemClock()};
  std::atomic<int64_t> certificate_expires_s_{0};  // The default one; 0: no TLS.
  std::string certificate_identity_;
  std::string certificate_fault_;                     // Of the last look; empty: none.
  std::optional<net::FilesWatch> certificate_files_;  // None: no TLS.
  std::unique_ptr<auth::HasherPool> hashers_;
  PolicyBoard policies_;
  std::unique_ptr<TenantQuery> tenant_query_;  // Null: no back end tells tenants.
  std::unique_ptr<PolicyWatch> policy_watch_;
  std::unique_ptr<storage::EngineStore> store_;
  std::unique_ptr<TenantMetrics> tenant_metrics_;
  std::unique_ptr<auth::RemoteBackends> remote_backends_;  // Null: no plug-in is configured.
  std::unique_ptr<auth::AuthService> auth_;
  DescriptorLimits descriptor_limits_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<RemovalSweep> removals_;
  std::unique_ptr<UsageWriter> usage_writer_;
  Listeners listeners_;  // As they are from the start to the end.
  std::unique_ptr<ops::HttpServer> http_;
  bool http_is_inherited_ = false;
  std::unique_ptr<ops::AdminServer> admin_;
  std::unique_ptr<setup::SetupServer> setup_;  // Null: nobody asks.
};

}  // namespace poplar::app
