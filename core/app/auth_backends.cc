#include "core/app/auth_backends.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "auth/files/passwd_file_backend.h"
#include "auth/host/auth_host.h"
#include "auth/remote/host_process.h"
#include "auth/service/sqlite_backend.h"
#include "core/app/files_as_they_are.h"
#include "core/app/sandbox_rules.h"
#include "core/app/server_sandbox.h"
#include "core/base/units.h"

namespace poplar::app {
namespace {

const tenant::BackendConfig* Find(const tenant::Config& config, const std::string& name) {
  const auto found = std::ranges::find(config.backends, name, &tenant::BackendConfig::name);
  return found == config.backends.end() ? nullptr : &*found;
}

// Those of the chain in its order, then those that only tenants may name.
std::vector<std::string> AllBackends(const tenant::Config& config) {
  std::vector<std::string> names = config.auth.chain;
  const auto add = [&names](const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  add(std::string(tenant::kUsersBackend));
  for (const tenant::BackendConfig& backend : config.backends) add(backend.name);
  return names;
}

Status MakeBackend(const tenant::BackendConfig& backend, const PolicyBoard& tenants,
                   auth::RemoteBackends* remote, auth::BackendSource& source) {
  switch (backend.driver) {
    case tenant::BackendDriver::kPlugin:
      source.make_port = [remote, name = backend.name](io::Shard& shard) {
        return remote->MakePort(name, shard);
      };
      return OkStatus();
    case tenant::BackendDriver::kPasswdFile: {
      auto file = auth::PasswdFileBackend::Open({.name = backend.name,
                                                 .path = backend.file,
                                                 .default_domain = backend.default_domain,
                                                 .weak_schemes = backend.weak_schemes},
                                                tenants);
      if (!file.ok()) return file.status();
      source.backend = std::move(*file);
      return OkStatus();
    }
    case tenant::BackendDriver::kStatic:
      // Weak ones his tenant may allow.
      POP_RETURN_IF_ERROR(
          Annotate(auth::CheckStoredHash(backend.password, auth::WeakSchemes::kAllow), "password"));
      source.backend = auth::PasswdFileBackend::OfOne({.name = backend.name,
                                                       .path = "",
                                                       .default_domain = "",
                                                       .weak_schemes = backend.weak_schemes},
                                                      backend.address, backend.password, tenants);
      return OkStatus();
  }
  return OkStatus();
}

// May somebody log in by what only a password in clear (or SCRAM's keys) is good for?
bool RestsOnClearText(const std::vector<std::string>& mechanisms) {
  return std::ranges::any_of(mechanisms, [](const std::string& name) {
    return name == tenant::kApopMechanism || name.starts_with("SCRAM-");
  });
}

// As at a start: a plug-in's process is that of all back ends that name it.
class PluginChecker {
 public:
  explicit PluginChecker(auth::HostSpawner& spawner) : spawner_(spawner) {}

  Status Check(const tenant::BackendConfig& backend) {
    auto found = hosts_.find(backend.plugin);
    if (found == hosts_.end()) {
      found = hosts_
                  .emplace(backend.plugin,
                           auth::HostProcess::Start(
                               {.spawner = &spawner_, .plugin = backend.plugin, .threads = 1}))
                  .first;
    }
    const auto& host = found->second;
    if (!host.ok()) return host.status();
    return (*host)->Open(instances_++, backend.settings, kOpenTimeoutMs);
  }

 private:
  static constexpr uint32_t kOpenTimeoutMs = 10'000;

  auth::HostSpawner& spawner_;
  std::map<std::string, StatusOr<std::unique_ptr<auth::HostProcess>>> hosts_;  // By plug-in.
  uint32_t instances_ = 0;
};

}  // namespace

StatusOr<std::unique_ptr<auth::RemoteBackends>> StartRemoteBackends(const tenant::Config& config,
                                                                    auth::HostSpawner& spawner,
                                                                    io::ShardSet& shards,
                                                                    const PolicyBoard& tenants) {
  std::vector<auth::RemoteBackendSpec> specs;
  for (const tenant::BackendConfig& backend : config.backends) {
    // The server asks the others itself.
    if (backend.driver != tenant::BackendDriver::kPlugin) continue;
    specs.push_back({.name = backend.name,
                     .plugin = backend.plugin,
                     .settings = backend.settings,
                     .weak_schemes = backend.weak_schemes,
                     .remember_ms_max = backend.cache_seconds * 1'000});
  }
  if (specs.empty()) return std::unique_ptr<auth::RemoteBackends>();
  auth::RemoteBackendsOptions options;
  options.spawner = &spawner;
  options.threads = config.auth.host_threads;
  options.host_bytes_max = config.auth.host_memory_mib * kMiB;
  return auth::RemoteBackends::Start(options, std::move(specs), shards, tenants);
}

auth::TenantListerOptions TenantListerOptionsOf(const tenant::Config& config,
                                                auth::HostSpawner& spawner) {
  const tenant::BackendConfig* const backend = Find(config, config.users.tenants_backend);
  return {.spawner = &spawner, .plugin = backend->plugin, .settings = backend->settings};
}

StatusOr<std::vector<auth::BackendSource>> MakeChain(const tenant::Config& config,
                                                     auth::HasherPool& hashers,
                                                     const PolicyBoard& tenants,
                                                     auth::RemoteBackends* remote) {
  std::vector<auth::BackendSource> chain;
  for (const std::string& name : AllBackends(config)) {
    auth::BackendSource source;
    source.configured = chain.size() < config.auth.chain.size();
    const tenant::BackendConfig* const backend = Find(config, name);
    if (backend == nullptr) {
      POP_ASSIGN_OR_RETURN(
          source.backend,
          auth::SqliteBackend::Open({.path = config.users.database,
                                     .rehash = config.users.rehash,
                                     .keep_clear_text = RestsOnClearText(config.auth.mechanisms)},
                                    hashers));
    } else {
      source.next_after_refused = backend->next_after_refused;
      source.next_after_failed = backend->next_after_failed;
      POP_RETURN_IF_ERROR(
          Annotate(MakeBackend(*backend, tenants, remote, source), "back end " + name));
    }
    chain.push_back(std::move(source));
  }
  return chain;
}

std::vector<BackendFault> CheckBackends(const tenant::Config& config) {
  std::vector<BackendFault> faults;
  const PolicyBoard nobody;
  const auto unconfined = ServerSandbox::Open(config);
  PluginChecker plugins(unconfined->spawner());
  for (const tenant::BackendConfig& backend : config.backends) {
    Status status;
    if (backend.driver == tenant::BackendDriver::kPlugin) {
      status = plugins.Check(backend);
    } else {
      auth::BackendSource source;
      status = MakeBackend(backend, nobody, nullptr, source);
    }
    if (!status.ok()) faults.push_back({backend.name, std::string(Message(status))});
  }
  if (!faults.empty() || config.users.tenants_backend.empty()) return faults;
  // That it cannot say now is no fault: the server starts all the same.
  const auto listed = auth::ListTenants(TenantListerOptionsOf(config, unconfined->spawner()), {});
  const StatusCode code = listed.status().code();
  if (code == StatusCode::kInvalidArgument || code == StatusCode::kFailedPrecondition) {
    faults.push_back({config.users.tenants_backend, std::string(Message(listed.status()))});
  }
  return faults;
}

bool BackendKnowsAddresses(const tenant::BackendConfig& backend) {
  if (backend.driver != tenant::BackendDriver::kPlugin) return true;
  tenant::Config alone;
  alone.backends = {backend};
  const auto unconfined = ServerSandbox::Open(alone);
  const auto host = auth::HostProcess::Start(
      {.spawner = &unconfined->spawner(), .plugin = backend.plugin, .threads = 1});
  return !host.ok() || ((*host)->operations() & POPLAR_RESOLVE) != 0;
}

std::string WarnOfHostThreads(const tenant::Config& config) {
  const bool has_plugins = std::ranges::any_of(config.backends, [](const auto& backend) {
    return backend.driver == tenant::BackendDriver::kPlugin;
  });
  const uint32_t workers = config.server.workers != 0 ? config.server.workers : io::GrantedCores();
  const uint32_t needed = workers * auth::kHostThreadsOfShardMin;
  if (!has_plugins || config.auth.host_threads == 0 || config.auth.host_threads >= needed) {
    return "";
  }
  return "with " + std::to_string(workers) + " workers, fewer than " + std::to_string(needed) +
         " let a tenant whose log-ins are slow hold up all others; 0 takes as many as are needed";
}

std::string WarnOfPenalties(const tenant::Config& config) {
  const uint64_t longest_ms = uint64_t{config.auth.penalty_delay_max_ms} * auth::kUserDelayFactor;
  const uint32_t login_s = config.pop3.login_timeout_s;
  if (longest_ms < uint64_t{login_s} * 1000) return "";
  return "a log-in may have to wait for " + std::to_string(longest_ms / 1000) + " s, " +
         std::to_string(auth::kUserDelayFactor) +
         " times as much, where many failed for its name, and pop3.login_timeout_s ends it after " +
         std::to_string(login_s) + " s: also those whose password is right are then not let in";
}

auth::ThrottleOptions ThrottleOptionsOf(const tenant::AuthConfig& config) {
  return {.free_address = config.penalty_after,
          .free_network = config.penalty_after_network,
          .free_user = config.penalty_after_user,
          .free_tenant = config.penalty_after_tenant,
          .forget_ms = config.penalty_forget_s * 1000,
          .delay_max_ms = config.penalty_delay_max_ms,
          .known_days = config.penalty_known_days,
          .known_max = config.penalty_known_max,
          .waiting_max = config.penalty_waiting_max};
}

ExitCode RunPlugin(const AuthHostCommand& command) {
  auth::AuthHostSockets sockets;
  sockets.control = base::UniqueFd(auth::kAuthHostControlFd);
  for (uint32_t i = 1; i <= command.shards; ++i) {
    sockets.shards.emplace_back(auth::kAuthHostControlFd + static_cast<int>(i));
  }
  auth::AuthHostOptions options;
  options.plugin = command.plugin;
  if (command.sandbox != tenant::SandboxMode::kOff) {
    options.confine = [&command] {
      return ConfineHost(command.sandbox, command.plugin, command.reads);
    };
  }
  // A new build of the plug-in too, whether there is a sandbox or not (auth/PLUGINS.md).
  const FilesAsTheyAre watched(SingleFiles(HostRules(command.plugin, command.reads)));
  options.outdated = [watched] { return watched.Changed(); };
  return static_cast<ExitCode>(auth::RunAuthHost(std::move(sockets), std::move(options)));
}

}  // namespace poplar::app
