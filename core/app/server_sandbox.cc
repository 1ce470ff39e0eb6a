#include "core/app/server_sandbox.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "auth/remote/host_launcher.h"
#include "core/app/sandbox_rules.h"
#include "core/base/log.h"
#include "core/sandbox/capabilities.h"
#include "core/sandbox/landlock.h"
#include "core/sandbox/seccomp.h"

namespace poplar::app {
namespace {

// Also when the file was replaced meanwhile: the host is of the server's own version.
constexpr const char* kThisProgram = "/proc/self/exe";
constexpr mode_t kOwnFolderMode = 0700;

auth::HostSpawnerOptions SpawnerOptions(const tenant::Config& config) {
  return {.executable = kThisProgram, .arguments = HostArguments(config)};
}

// Rules are for folders that are there. Where one cannot be made, who needs it says so.
void MakeFolders(const tenant::Config& config) {
  std::error_code error;
  for (const std::string* socket : {&config.lmtp.socket, &config.admin.socket}) {
    if (socket->empty()) continue;
    std::filesystem::create_directories(std::filesystem::path(*socket).parent_path(), error);
  }
  ::mkdir(config.store.snapshots_folder().c_str(), kOwnFolderMode);
}

// Root without its privileges is a user like any other.
Status CheckOwner(const std::string& path) {
  struct stat status{};
  if (::geteuid() != 0 || ::stat(path.c_str(), &status) != 0 || status.st_uid == 0) {
    return OkStatus();
  }
  return MakeStatus(StatusCode::kPermissionDenied,
                    path + " belongs to user number " + std::to_string(status.st_uid) +
                        ", and a server that root starts gives root's power over it away: start "
                        "it as that user (systemd: User=, and for ports below 1024 "
                        "AmbientCapabilities=CAP_NET_BIND_SERVICE), or give root the files");
}

// As long as it is open, the folder of /proc/self is the one that a rule was made for.
base::UniqueFd OwnFolder() {
  return base::UniqueFd(::open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

Status ConfineLauncher() {
  POP_RETURN_IF_ERROR(sandbox::ForbidNewPrivileges());
  POP_RETURN_IF_ERROR(sandbox::DropCapabilities(sandbox::Keep::kNothing));
  // That the kernel lacks these the server finds out itself, and says so.
  (void)sandbox::RestrictFiles(LauncherRules());
  (void)sandbox::RestrictCalls(sandbox::Calls::kLauncher);
  return OkStatus();
}

}  // namespace

ServerSandbox::ServerSandbox(const tenant::Config& config)
    : mode_(config.server.sandbox),
      snapshots_(config.store.snapshots_folder()),
      spawner_(std::make_unique<auth::DirectSpawner>(SpawnerOptions(config))) {}

std::unique_ptr<ServerSandbox> ServerSandbox::Open(const tenant::Config& config) {
  return std::unique_ptr<ServerSandbox>(new ServerSandbox(config));
}

StatusOr<std::unique_ptr<ServerSandbox>> ServerSandbox::Enter(const tenant::Config& config,
                                                              const std::string& config_path) {
  std::unique_ptr<ServerSandbox> sandbox = Open(config);
  if (config.server.sandbox == tenant::SandboxMode::kOff) return sandbox;
  POP_RETURN_IF_ERROR(CheckOwner(config.store.path));
  POP_RETURN_IF_ERROR(CheckOwner(config.users.database));
  POP_RETURN_IF_ERROR(sandbox::ForbidNewPrivileges());
  POP_RETURN_IF_ERROR(sandbox->StartLauncher(config));
  MakeFolders(config);
  // It reads its configuration, once.
  OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr);
  POP_RETURN_IF_ERROR(sandbox->RestrictFiles(config, config_path));
  POP_RETURN_IF_ERROR(sandbox->GiveAwayPrivileges(config));
  return sandbox;
}

Status ServerSandbox::StartLauncher(const tenant::Config& config) {
  const auth::HostSpawnerOptions options = SpawnerOptions(config);
  if (options.arguments.empty()) return OkStatus();
  POP_ASSIGN_OR_RETURN(spawner_, auth::HostLauncher::Fork(options, &ConfineLauncher));
  return OkStatus();
}

Status ServerSandbox::RestrictFiles(const tenant::Config& config, const std::string& config_path) {
  own_folder_ = OwnFolder();
  const int abi = sandbox::LandlockAbi();
  const Status restricted = sandbox::RestrictFiles(ServerRules(config, config_path));
  if (restricted.ok()) {
    landlock_abi_ = abi;
    return OkStatus();
  }
  return Lacks("files", restricted);
}

Status ServerSandbox::GiveAwayPrivileges(const tenant::Config& config) {
  if (sandbox::HasPowersToListen()) {
    binder_ = std::make_unique<PortBinder>(config.server.congestion_control);
  }
  POP_RETURN_IF_ERROR(sandbox::DropCapabilities(sandbox::Keep::kNothing));
  capabilities_dropped_ = true;
  return OkStatus();
}

base::BindFunction ServerSandbox::bind() {
  if (binder_ == nullptr) return &::bind;
  return [this](int fd, const sockaddr* address, socklen_t bytes) {
    return binder_->Bind(fd, address, bytes);
  };
}

Status ServerSandbox::Close() {
  binder_.reset();
  if (!capabilities_dropped_) return OkStatus();
  const Status restricted = sandbox::RestrictCalls(sandbox::Calls::kServer);
  calls_restricted_ = restricted.ok();
  if (!restricted.ok()) POP_RETURN_IF_ERROR(Lacks("calls", restricted));
  std::string lacks;
  for (const std::string& what : lacks_) lacks += (lacks.empty() ? "" : "; ") + what;
  base::Log(lacks.empty() ? base::LogLevel::kInfo : base::LogLevel::kWarning, "sandbox",
            {{"privileges", capabilities_dropped_},
             {"files", landlock_abi_ > 0},
             {"landlock", static_cast<int64_t>(landlock_abi_)},
             {"calls", restricted.ok()},
             {"lacks", lacks}});
  return OkStatus();
}

void ServerSandbox::Register(base::MetricRegistry& registry) const {
  const auto add = [&registry](const char* part, std::function<double()> in_force) {
    registry.AddComputed(base::MetricRegistry::Kind::kGauge, std::move(in_force), "poplar_sandbox",
                         "1 where this part of the server's sandbox is in force.",
                         {{"part", part}});
  };
  add("privileges", [this] { return capabilities_dropped_ ? 1.0 : 0.0; });
  add("files", [this] { return landlock_abi_ > 0 ? 1.0 : 0.0; });
  add("calls", [this] { return calls_restricted_ ? 1.0 : 0.0; });
}

Status ServerSandbox::Lacks(const std::string& what, const Status& why) {
  const std::string sentence = what + ": " + std::string(Message(why));
  if (mode_ == tenant::SandboxMode::kRequired) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      "server.sandbox is \"required\", but cannot be had; " + sentence);
  }
  lacks_.push_back(sentence);
  return OkStatus();
}

Status ConfineHost(tenant::SandboxMode mode, const std::string& plugin,
                   const std::vector<std::string>& reads) {
  if (mode == tenant::SandboxMode::kOff) return OkStatus();
  POP_RETURN_IF_ERROR(sandbox::ForbidNewPrivileges());
  POP_RETURN_IF_ERROR(sandbox::DropCapabilities(sandbox::Keep::kNothing));
  static const base::UniqueFd own_folder = OwnFolder();
  const Status files = sandbox::RestrictFiles(HostRules(plugin, reads));
  const Status calls = sandbox::RestrictCalls(sandbox::Calls::kAuthHost);
  if (mode == tenant::SandboxMode::kOn) return OkStatus();
  return files.ok() ? calls : files;
}

}  // namespace poplar::app
