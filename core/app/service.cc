#include "core/app/service.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "core/app/auth_admin.h"
#include "core/app/auth_backends.h"
#include "core/app/descriptors.h"
#include "core/app/mailbox_admin.h"
#include "core/app/session_admin.h"
#include "core/app/store_admin.h"
#include "core/app/store_options.h"
#include "core/app/version.h"
#include "core/base/log.h"
#include "core/ops/disk_metrics.h"
#include "core/ops/process_metrics.h"

namespace poplar::app {
namespace {

using nlohmann::json;

constexpr uint32_t kCertificateThreads = 2;
constexpr uint32_t kCertificateLooksMax = 1024;  // That wait; handshakes beyond are ended.
// A reactor that wants its core has it before hashing. Nicer is not better: of a core that reactors
// want all of the time this leaves a thirtieth, and who logs in for the first time waits for that.
// At 10 a reactor that was busy just before found itself beyond its share when it woke, and waited
// for the scheduler's next tick, 4 ms: others' p99 under a flood of log-ins was four times as long.
constexpr int kHashNice = 16;
// Of each tenant, however many of others' wait: about what a household asks at once.
constexpr uint32_t kQueuedAlways = 8;

// Sockets live in folders that nobody else made (a tmpfs that is empty after a boot).
Status MakeFolderOf(const std::string& socket_path) {
  if (socket_path.empty()) return OkStatus();
  const std::filesystem::path folder = std::filesystem::path(socket_path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  return error ? ErrnoStatus(error.value(), "cannot make the folder " + folder.string())
               : OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<Service>> Service::Start(const tenant::Config& config, Usage usage,
                                                  ServerSandbox& sandbox,
                                                  InheritedSockets inherited,
                                                  const std::function<void()>& recovered) {
  std::unique_ptr<Service> service(new Service(config, sandbox, std::move(inherited)));
  service->tickets_ = std::make_shared<net::TicketKeys>(base::SystemClock());
  Status status = MakeFolderOf(config.lmtp.socket);
  if (status.ok()) status = MakeFolderOf(config.admin.socket);
  if (status.ok()) status = service->MakeHttp();
  if (status.ok() && usage == Usage::kWritten) service->MakeUsageWriter();
  if (status.ok()) status = service->MakeShardsAndPools();
  if (status.ok()) status = service->MakeStore();
  if (status.ok()) status = service->MakeAuth();
  if (status.ok() && recovered) recovered();
  if (status.ok()) status = service->MakeServer();
  if (status.ok()) status = service->MakeSetup();
  if (status.ok()) status = service->MakeAdmin();
  if (status.ok()) status = sandbox.Close();
  if (!status.ok()) {
    const Status ended = service->Drain();
    if (!ended.ok()) base::Log(base::LogLevel::kError, "end_failed", {{"reason", Message(ended)}});
    return status;
  }
  service->LogListening();
  service->readiness_.SetReady();
  return service;
}

Service::~Service() {
  // Drain ended what serves; the store ends while the shards still turn.
  store_.reset();
}

Status Service::MakeShardsAndPools() {
  io::ShardSetOptions options;
  options.count = config_.server.workers;
  POP_ASSIGN_OR_RETURN(shards_, io::ShardSet::Start(options));
  hash_pool_ = std::make_unique<io::OffloadPool>(
      io::OffloadPoolOptions{.name = "hash",
                             .threads = io::GrantedCores(),
                             .nice = kHashNice,
                             .queued_always_per_key = kQueuedAlways});
  disk_pool_ = std::make_unique<io::OffloadPool>(io::OffloadPoolOptions{
      .name = "disk", .threads = kDiskThreads, .queued_always_per_key = kQueuedAlways});
  certificate_pool_ = std::make_unique<io::OffloadPool>(
      io::OffloadPoolOptions{.name = "certs",
                             .threads = kCertificateThreads,
                             .queued_max = kCertificateLooksMax,
                             .queued_max_per_key = kCertificateLooksMax});
  return OkStatus();
}

Status Service::MakeStore() {
  if (!config_.users.tenants_backend.empty()) {
    POP_ASSIGN_OR_RETURN(
        tenant_query_,
        TenantQuery::Start({.database_path = config_.users.database,
                            .backend = config_.users.tenants_backend,
                            .tenant_folder = config_.users.tenants,
                            .lister = TenantListerOptionsOf(config_, sandbox_.spawner()),
                            .period = std::chrono::seconds(config_.users.tenants_period_s)}));
  }
  POP_ASSIGN_OR_RETURN(policy_watch_,
                       PolicyWatch::Start({.database_path = config_.users.database,
                                           .tenant_folder = config_.users.tenants,
                                           .tenants_backend = config_.users.tenants_backend,
                                           .limits = config_.tenant_limits},
                                          policies_));
  const uint32_t open_files = PlanForThisProcess(config_, shards_->count()).open_files_a_shard;
  storage::StoreOptions options = StoreOptionsOf(config_.store, open_files);
  options.policies = &policies_;
  POP_ASSIGN_OR_RETURN(store_, storage::OpenStore(options, *shards_, *disk_pool_));
  return OkStatus();
}

Status Service::MakeAuth() {
  // The same scheme as new passwords have, so that a name that nobody has costs as much time.
  hashers_ = std::make_unique<auth::HasherPool>(
      auth::HashOptionsOf(config_.users.hash, config_.auth.scram_iterations));
  POP_ASSIGN_OR_RETURN(remote_backends_,
                       StartRemoteBackends(config_, sandbox_.spawner(), *shards_, policies_));
  POP_ASSIGN_OR_RETURN(std::vector<auth::BackendSource> chain,
                       MakeChain(config_, *hashers_, policies_, remote_backends_.get()));
  auth::AuthServiceOptions options;
  options.password_cache_ttl_ms = config_.users.cache_seconds * 1000;
  options.scram_iterations = config_.auth.scram_iterations;
  options.throttle = ThrottleOptionsOf(config_.auth);
  const auth::AuthPools pools{
      .hash = hash_pool_.get(), .lookup = disk_pool_.get(), .hashers = hashers_.get()};
  auth_ =
      std::make_unique<auth::AuthService>(options, *shards_, pools, std::move(chain), &policies_);
  removals_ = std::make_unique<RemovalSweep>(
      RemovalSweepOptions{.database_path = config_.users.database}, *shards_, *store_);
  return OkStatus();
}

StatusOr<std::shared_ptr<const net::TlsContext>> Service::LoadTls(const tenant::Config& config) {
  if (!config.tls.enabled()) return std::shared_ptr<const net::TlsContext>();
  net::TlsOptions options;
  options.certificate_path = config.tls.certificate;
  options.key_path = config.tls.key;
  options.version_min = config.tls.minimum == tenant::TlsVersion::k13
                            ? net::TlsOptions::Version::kTls13
                            : net::TlsOptions::Version::kTls12;
  options.client_ca_path = config.tls.client_ca;
  options.client_name = config.tls.client_name == tenant::ClientName::kEmail
                            ? net::ClientName::kEmail
                            : net::ClientName::kCommonName;
  options.kernel_tls = config.tls.ktls == tenant::KtlsMode::kAuto;
  std::vector<std::string> paths = {options.certificate_path, options.key_path};
  if (!options.client_ca_path.empty()) paths.push_back(options.client_ca_path);
  net::FilesWatch files(base::SystemClock(), std::move(paths));
  POP_ASSIGN_OR_RETURN(std::shared_ptr<const net::TlsContext> tls,
                       net::TlsContext::Load(options, config.tls.tickets ? tickets_ : nullptr));
  for (const std::string& warning : tls->warnings()) {
    base::Log(base::LogLevel::kWarning, "certificate", {{"host", ""}, {"warning", warning}});
  }
  certificate_files_ = std::move(files);
  certificate_identity_ = tls->certificates()->identity();
  certificate_fault_.clear();
  certificate_expires_s_ = tls->expires_s();
  certificates_.Configure(
      {.folder = config.tls.certificates, .loaded_max = config.tls.certificates_loaded_max});
  return tls;
}

Status Service::MakeServer() {
  POP_ASSIGN_OR_RETURN(std::shared_ptr<const net::TlsContext> tls, LoadTls(config_));
  std::vector<auth::ShardAuth*> auth;
  auth.reserve(shards_->count());
  for (uint32_t i = 0; i < shards_->count(); ++i) auth.push_back(&auth_->OnShard(ShardIndex(i)));
  POP_ASSIGN_OR_RETURN(
      server_,
      server::Server::Start(descriptor_limits_.Apply(config_, shards_->count()), std::move(tls),
                            {*shards_,
                             *store_,
                             auth,
                             policies_,
                             {.pool = *certificate_pool_, .store = certificates_},
                             sandbox_.bind()},
                            std::move(inherited_.mail)));
  TakeListeners();
  return OkStatus();
}

// First of all, so that /readyz says "starting" while the store recovers.
Status Service::MakeHttp() {
  readiness_.Register(metrics_);
  config_metrics_.Register(metrics_);
  ops::RegisterProcessMetrics(metrics_, Version());
  ops::RegisterDiskMetrics(metrics_,
                           {{"store", config_.store.path}, {"users", config_.users.database}});
  const bool inherited = inherited_.http.valid();
  if (!config_.http.listen && !inherited) return OkStatus();
  POP_ASSIGN_OR_RETURN(
      http_, ops::HttpServer::Start(config_.http.listen.value_or(tenant::ListenAddress()), metrics_,
                                    readiness_, sandbox_.bind(), std::move(inherited_.http)));
  http_is_inherited_ = inherited;
  http_->Register(metrics_);
  return OkStatus();
}

void Service::MakeUsageWriter() {
  usage_writer_ = std::make_unique<UsageWriter>(
      UsageWriterOptions{.database_path = config_.users.usage}, policies_);
}

Status Service::MakeSetup() {
  if (config_.setup.listen.empty()) return OkStatus();
  POP_ASSIGN_OR_RETURN(
      setup_, setup::SetupServer::Start(config_.setup.listen,
                                        setup::FactsOf(AsListening(config_, listeners_)), policies_,
                                        sandbox_.bind()));
  for (const tenant::ListenAddress& address : setup_->listening()) {
    listeners_.push_back({"setup", address.ToString(), false});
  }
  return OkStatus();
}

Status Service::MakeAdmin() {
  RegisterMetrics();
  if (config_.admin.socket.empty()) return OkStatus();
  POP_ASSIGN_OR_RETURN(
      admin_, ops::AdminServer::Start({.socket_path = config_.admin.socket}, AdminHandlers()));
  admin_->metrics().Register(metrics_);
  return OkStatus();
}

void Service::RegisterMetrics() {
  shards_->Register(metrics_);
  hash_pool_->Register(metrics_);
  disk_pool_->Register(metrics_);
  RegisterCertificates();
  store_->Register(metrics_);
  tenant_metrics_ =
      std::make_unique<TenantMetrics>(policies_, *store_, config_.http.tenant_metrics_max);
  tenant_metrics_->Register(metrics_);
  policy_watch_->Register(metrics_);
  if (tenant_query_ != nullptr) tenant_query_->Register(metrics_);
  auth_->Register(metrics_);
  if (remote_backends_) remote_backends_->Register(metrics_);
  server_->Register(metrics_);
  if (usage_writer_ != nullptr) usage_writer_->Register(metrics_);
  if (setup_) setup_->Register(metrics_);
  sandbox_.Register(metrics_);
}

void Service::RegisterCertificates() {
  certificate_pool_->Register(metrics_);
  certificates_.Register(metrics_);
  metrics_.AddCollected([this](std::vector<base::MetricRegistry::Entry>& entries) {
    if (certificate_expires_s_ == 0) return;
    entries.push_back(net::CertificateExpiryMetric("default", certificate_expires_s_));
  });
}

ops::AdminHandlers Service::AdminHandlers() {
  ops::AdminHandlers handlers;
  AddSessionHandlers(*server_, [this] { policy_watch_->LookNow(); }, handlers);
  handlers["server.show"] = [this](const json&) -> StatusOr<json> {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoStatus(errno, "RLIMIT_NOFILE");
    return ShownToJson({.listeners = listeners_, .descriptors_max = limit.rlim_cur});
  };
  AddDrainHandlers(handlers);
  AddStoreHandlers(*store_, sandbox_.writes_only_below(), ending_, handlers);
  AddAuthHandlers({*shards_, *auth_, policies_}, handlers);
  AddMailboxHandlers({*shards_, *store_, auth_->OnShard(ShardIndex(0)), policies_}, handlers);
  return handlers;
}

void Service::AddDrainHandlers(ops::AdminHandlers& handlers) {
  const auto state = [this] {
    const uint64_t began_us = drain_began_us_;
    const uint64_t now_us = base::SystemClock().MonotonicUs();
    return json{{"pid", getpid()},
                {"connections", server_->Sessions().size()},
                {"elapsed_ms", began_us == 0 ? 0 : (now_us - began_us) / 1000},
                {"limit_s", drain_limit_s()}};
  };
  handlers["drain"] = [state](const json&) -> StatusOr<json> {
    json before = state();
    // To the main thread, which waits for it: there is one way to end.
    if (kill(getpid(), SIGTERM) != 0) return ErrnoStatus(errno, "kill");
    return before;
  };
  handlers["drain.state"] = [state](const json&) -> StatusOr<json> { return state(); };
}

void Service::TakeListeners() {
  for (const server::Server::Listening& listening : server_->listening()) {
    listeners_.push_back(
        {std::string(server::Name(listening.service)), listening.address, listening.inherited});
  }
  if (http_) listeners_.push_back({"http", http_->address(), http_is_inherited_});
}

void Service::LogListening() {
  for (const Listener& listener : listeners_) {
    base::Log(base::LogLevel::kInfo, "listening",
              {{"protocol", listener.protocol},
               {"address", listener.address},
               {"inherited", listener.inherited}});
  }
}

Status Service::Reload(const tenant::Config& next) {
  const Status taken = TakeConfig(next);
  if (taken.ok()) {
    config_metrics_.Taken(started_with_, next);
  } else {
    config_metrics_.Refused();
  }
  return taken;
}

Status Service::TakeConfig(const tenant::Config& next) {
  if (started_with_.tls.enabled() && !next.tls.enabled()) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      "tls.certificate: TLS cannot be taken away from a running server, which "
                      "listens for it; restart it");
  }
  POP_ASSIGN_OR_RETURN(std::shared_ptr<const net::TlsContext> tls, LoadTls(next));
  for (const std::string& setting : tenant::SettingsThatNeedRestart(started_with_, next)) {
    base::Log(base::LogLevel::kWarning, "reload_needs_restart", {{"setting", setting}});
  }
  server_->Reload(descriptor_limits_.Apply(next, shards_->count()), std::move(tls));
  policy_watch_->SetLimits(next.tenant_limits);
  if (setup_) setup_->SetFacts(setup::FactsOf(AsListening(next, listeners_)));
  tenant_metrics_->SetTenantsMax(next.http.tenant_metrics_max);
  store_->SetScrubRate(next.store.scrub_kib_per_s * kKiB);
  base::StartLog({.level = next.log.level, .format = next.log.format});
  drain_limit_s_ = next.server.drain_limit_s;
  config_ = next;
  return OkStatus();
}

void Service::LookAtCertificate() {
  if (!certificate_files_ || !certificate_files_->Changed()) return;
  const std::string before = certificate_identity_;
  auto tls = LoadTls(config_);
  certificates_.CountLoad(tls.ok());
  if (!tls.ok()) {
    const std::string fault(Message(tls.status()));
    if (fault == std::exchange(certificate_fault_, fault)) return;
    return base::Log(base::LogLevel::kError, "certificate_failed",
                     {{"host", ""}, {"kept", true}, {"reason", fault}});
  }
  server_->Reload(descriptor_limits_.Apply(config_, shards_->count()), *std::move(tls));
  if (certificate_identity_ != before) {
    base::Log(base::LogLevel::kInfo, "certificate_replaced", {{"host", ""}});
  }
}

Status Service::Drain() {
  readiness_.SetNotReady("draining");
  drain_began_us_ = base::SystemClock().MonotonicUs();
  ending_ = true;
  if (server_) {
    base::Log(base::LogLevel::kInfo, "draining", {{"limit_s", config_.server.drain_limit_s}});
    const uint64_t cut = server_->Drain(uint64_t{config_.server.drain_limit_s} * 1000);
    if (cut > 0) base::Log(base::LogLevel::kWarning, "drain_cut", {{"connections", cut}});
  }
  setup_.reset();
  // Until here both show who is being waited for; they read what ends now.
  http_.reset();
  admin_.reset();
  server_.reset();
  usage_writer_.reset();
  removals_.reset();
  tenant_query_.reset();
  policy_watch_.reset();
  auth_.reset();
  remote_backends_.reset();
  return store_ ? store_->Close() : OkStatus();
}

}  // namespace poplar::app
