#include "core/app/service.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "auth/users/address.h"
#include "core/app/auth_admin.h"
#include "core/app/auth_backends.h"
#include "core/app/descriptors.h"
#include "core/app/mailbox_admin.h"
#include "core/app/store_json.h"
#include "core/app/store_options.h"
#include "core/app/version.h"
#include "core/base/log.h"
#include "core/ops/process_metrics.h"

namespace poplar::app {
namespace {

using nlohmann::json;

constexpr uint32_t kCertificateThreads = 2;
constexpr uint32_t kCertificateLooksMax = 1024;  // That wait; handshakes beyond are ended.
constexpr int kHashNice = 10;  // Hashing never takes a core from a reactor that wants it.

json SessionToJson(const server::ConnectionInfo& info) {
  return {{"id", std::to_string(info.id.value())},
          {"protocol", server::Name(info.protocol)},
          {"user", info.user},
          {"login", info.login},
          {"tenant", info.tenant},
          {"peer", info.peer},
          {"proxy", info.proxy},
          {"tls", info.tls},
          {"state", info.state},
          {"age_s", info.age_ms / 1000},
          {"idle_s", info.idle_ms / 1000}};
}

// `key` as LookupKey makes it: back ends may spell an address otherwise than who logs in.
bool IsOf(const server::ConnectionInfo& info, const std::string& key) {
  return auth::LookupKey(info.user) == key || auth::LookupKey(info.login) == key;
}

// Sockets live in folders that nobody else made (a tmpfs that is empty after a boot).
Status MakeFolderOf(const std::string& socket_path) {
  if (socket_path.empty()) return OkStatus();
  const std::filesystem::path folder = std::filesystem::path(socket_path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  return error ? ErrnoStatus(error.value(), "cannot make the folder " + folder.string())
               : OkStatus();
}

Status NoSuchSession(std::string_view what) {
  return MakeStatus(StatusCode::kNotFound, "there is no session of " + std::string(what));
}

}  // namespace

StatusOr<std::unique_ptr<Service>> Service::Start(const tenant::Config& config, Usage usage) {
  std::unique_ptr<Service> service(new Service(config));
  service->tickets_ = std::make_shared<net::TicketKeys>(base::SystemClock());
  Status status = MakeFolderOf(config.lmtp.socket);
  if (status.ok()) status = MakeFolderOf(config.admin.socket);
  if (status.ok()) status = service->MakeHttp();
  if (status.ok() && usage == Usage::kWritten) service->MakeUsageWriter();
  if (status.ok()) status = service->MakeShardsAndPools();
  if (status.ok()) status = service->MakeStore();
  if (status.ok()) status = service->MakeAuth();
  if (status.ok()) status = service->MakeServer();
  if (status.ok()) status = service->MakeAdmin();
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
      io::OffloadPoolOptions{.name = "hash", .threads = io::GrantedCores(), .nice = kHashNice});
  disk_pool_ = std::make_unique<io::OffloadPool>(
      io::OffloadPoolOptions{.name = "disk", .threads = kDiskThreads});
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
                            .lister = TenantListerOptionsOf(config_),
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
  POP_ASSIGN_OR_RETURN(remote_backends_, StartRemoteBackends(config_, *shards_, policies_));
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
  POP_ASSIGN_OR_RETURN(std::shared_ptr<const net::TlsContext> tls,
                       net::TlsContext::Load(options, config.tls.tickets ? tickets_ : nullptr));
  for (const std::string& warning : tls->warnings()) {
    base::Log(base::LogLevel::kWarning, "certificate", {{"host", ""}, {"warning", warning}});
  }
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
      server_, server::Server::Start(WithinDescriptors(config_, shards_->count()), std::move(tls),
                                     {*shards_,
                                      *store_,
                                      auth,
                                      policies_,
                                      {.pool = *certificate_pool_, .store = certificates_}}));
  return OkStatus();
}

// First of all, so that /readyz says "starting" while the store recovers.
Status Service::MakeHttp() {
  if (!config_.http.listen) return OkStatus();
  POP_ASSIGN_OR_RETURN(http_, ops::HttpServer::Start(*config_.http.listen, metrics_, readiness_));
  return OkStatus();
}

void Service::MakeUsageWriter() {
  usage_writer_ = std::make_unique<UsageWriter>(
      UsageWriterOptions{.database_path = config_.users.usage}, policies_);
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
  if (tenant_query_ != nullptr) tenant_query_->Register(metrics_);
  auth_->Register(metrics_);
  if (remote_backends_) remote_backends_->Register(metrics_);
  server_->Register(metrics_);
  if (http_) http_->Register(metrics_);
  ops::RegisterProcessMetrics(metrics_, Version());
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
  handlers["session.list"] = [this](const json& arguments) -> StatusOr<json> {
    const std::string user = auth::LookupKey(arguments.value("user", ""));
    json sessions = json::array();
    for (const server::ConnectionInfo& info : server_->Sessions()) {
      if (user.empty() || IsOf(info, user)) sessions.push_back(SessionToJson(info));
    }
    return json{{"sessions", sessions}};
  };
  handlers["session.kick"] = [this](const json& arguments) -> StatusOr<json> {
    uint64_t kicked = 0;
    if (const std::string id = arguments.value("session", ""); !id.empty()) {
      uint64_t number = 0;
      const auto parsed = std::from_chars(id.data(), id.data() + id.size(), number);
      if (parsed.ec == std::errc() && parsed.ptr == id.data() + id.size() &&
          server_->Kick(SessionId(number))) {
        kicked = 1;
      }
      return kicked > 0 ? StatusOr<json>(json{{"kicked", kicked}}) : NoSuchSession("id " + id);
    }
    const std::string user = arguments.at("user").get<std::string>();
    if (user.empty()) return MakeStatus(StatusCode::kInvalidArgument, "whose sessions?");
    const std::string key = auth::LookupKey(user);
    for (const server::ConnectionInfo& info : server_->Sessions()) {
      if (IsOf(info, key) && server_->Kick(info.id)) ++kicked;
    }
    return kicked > 0 ? StatusOr<json>(json{{"kicked", kicked}}) : NoSuchSession(user);
  };
  AddStoreHandlers(handlers);
  AddAuthHandlers({*shards_, *auth_, policies_}, handlers);
  AddMailboxHandlers({*shards_, *store_, auth_->OnShard(ShardIndex(0)), policies_}, handlers);
  return handlers;
}

void Service::AddStoreHandlers(ops::AdminHandlers& handlers) {
  handlers["store.stats"] = [this](const json&) -> StatusOr<json> {
    POP_ASSIGN_OR_RETURN(const storage::StoreStats stats, store_->Stats());
    return ToJson(stats);
  };
  handlers["store.compact"] = [this](const json&) -> StatusOr<json> {
    const storage::CompactionState before = store_->Compaction();
    store_->BeginCompaction();
    return ToJson(before);
  };
  handlers["store.compaction"] = [this](const json&) -> StatusOr<json> {
    return ToJson(store_->Compaction());
  };
  handlers["store.snapshot"] = [this](const json& arguments) -> StatusOr<json> {
    const std::string directory = arguments.at("directory").get<std::string>();
    if (!directory.starts_with('/')) {
      return MakeStatus(StatusCode::kInvalidArgument, "the snapshot's path must be absolute");
    }
    const auto report = store_->Snapshot(directory, ending_);
    const uint64_t missing = report.ok() ? report->missing : 0;
    base::Log(report.ok() && missing == 0 ? base::LogLevel::kInfo : base::LogLevel::kError,
              "store_snapshot",
              {{"directory", directory},
               {"ok", report.ok()},
               {"missing", missing},
               {"reason", Message(report.status())}});
    if (!report.ok()) return report.status();
    return ToJson(*report);
  };
}

void Service::LogListening() const {
  for (const server::Server::Listening& listening : server_->listening()) {
    base::Log(base::LogLevel::kInfo, "listening",
              {{"protocol", server::Name(listening.service)}, {"address", listening.address}});
  }
  if (http_) {
    tenant::ListenAddress bound = *config_.http.listen;
    bound.port = http_->port();
    base::Log(base::LogLevel::kInfo, "listening",
              {{"protocol", "http"}, {"address", bound.ToString()}});
  }
}

Status Service::Reload(const tenant::Config& next) {
  if (started_with_.tls.enabled() && !next.tls.enabled()) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      "tls.certificate: TLS cannot be taken away from a running server, which "
                      "listens for it; restart it");
  }
  POP_ASSIGN_OR_RETURN(std::shared_ptr<const net::TlsContext> tls, LoadTls(next));
  for (const std::string& setting : tenant::SettingsThatNeedRestart(started_with_, next)) {
    base::Log(base::LogLevel::kWarning, "reload_needs_restart", {{"setting", setting}});
  }
  server_->Reload(WithinDescriptors(next, shards_->count()), std::move(tls));
  policy_watch_->SetLimits(next.tenant_limits);
  tenant_metrics_->SetTenantsMax(next.http.tenant_metrics_max);
  store_->SetScrubRate(next.store.scrub_kib_per_s * kKiB);
  base::StartLog({.level = next.log.level, .format = next.log.format});
  config_ = next;
  return OkStatus();
}

Status Service::Drain() {
  readiness_.SetNotReady("draining");
  ending_ = true;
  if (server_) {
    base::Log(base::LogLevel::kInfo, "draining", {{"limit_s", config_.server.drain_limit_s}});
    const uint64_t cut = server_->Drain(uint64_t{config_.server.drain_limit_s} * 1000);
    if (cut > 0) base::Log(base::LogLevel::kWarning, "drain_cut", {{"connections", cut}});
  }
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
