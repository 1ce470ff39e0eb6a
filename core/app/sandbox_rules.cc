#include "core/app/sandbox_rules.h"

#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace poplar::app {
namespace {

namespace fs = std::filesystem;
using sandbox::FileAccess;
using sandbox::LandlockRules;

// What the metrics, the C library and OpenSSL read of the machine and of the process itself.
constexpr std::array kOfTheMachine = {"/proc/self", "/sys/fs/cgroup", "/sys/devices/system/cpu",
                                      "/dev/null", "/dev/urandom"};
// Shared libraries, CA certificates, locales; all of it public.
constexpr std::array kOfTheSystem = {
    "/usr",     "/lib",           "/lib32",    "/lib64",    "/libx32",
    "/etc/pki", "/etc/ssl/certs", "/run/nscd", "/etc/ldap", "/run/systemd/resolve"};
// Files of /etc that libraries read when they look up names and set up TLS. The folder itself is
// not allowed: the server's own secrets may be there.
constexpr std::array kOfEtc = {"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/resolv.conf",
                               "/etc/hosts",       "/etc/nsswitch.conf", "/etc/host.conf",
                               "/etc/gai.conf",    "/etc/services",      "/etc/protocols",
                               "/etc/networks",    "/etc/localtime",     "/etc/ssl/openssl.cnf",
                               "/etc/krb5.conf"};

class RuleMaker {
 public:
  void Allow(const std::string& path, FileAccess access) {
    if (!path.empty()) rules_.paths.push_back({path, access});
  }

  // The folder of a file, and where that is a link, the one it leads into: another file may take
  // its place there. A file in the root stands alone.
  void AllowAround(const std::string& file, FileAccess access) {
    if (file.empty()) return;
    std::error_code error;
    for (const fs::path& path : {fs::path(file), fs::weakly_canonical(file, error)}) {
      const fs::path folder = path.parent_path();
      Allow(folder == folder.root_path() ? path.string() : folder.string(), access);
    }
  }

  // A folder that may come, go, or be another tomorrow.
  void AllowFolder(const std::string& folder, FileAccess access) {
    Allow(folder, access);
    AllowAround(folder, access);
  }

  LandlockRules Take() { return std::move(rules_); }
  LandlockRules& rules() { return rules_; }

 private:
  LandlockRules rules_;
};

// A port that the kernel chooses is known when the first shard has it, and the others bind it then.
void AllowPorts(const tenant::Config& config, LandlockRules& rules) {
  rules.bind_ports.push_back(0);
  const auto allow = [&rules](const tenant::ListenAddress& address) {
    rules.bind_ports.push_back(address.port);
    if (address.port == 0) rules.may_bind = true;
  };
  std::ranges::for_each(config.pop3.listen, allow);
  std::ranges::for_each(config.pop3s.listen, allow);
  std::ranges::for_each(config.lmtp.listen, allow);
  std::ranges::for_each(config.setup.listen, allow);
  if (config.http.listen) allow(*config.http.listen);
}

std::string WordFor(tenant::SandboxMode mode) {
  switch (mode) {
    case tenant::SandboxMode::kOn:
      return "on";
    case tenant::SandboxMode::kOff:
      return "off";
    case tenant::SandboxMode::kRequired:
      return "required";
  }
  return "";
}

// The program that the kernel starts first for ours: it has the libraries loaded.
std::string LoaderPath() {
  Dl_info info{};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): so getauxval(3) tells an address.
  const auto* const base = reinterpret_cast<const void*>(::getauxval(AT_BASE));
  return base != nullptr && ::dladdr(base, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname
                                                                                    : "";
}

}  // namespace

LandlockRules ServerRules(const tenant::Config& config, const std::string& config_path) {
  RuleMaker make;
  make.Allow(config.store.path, FileAccess::kAll);
  make.Allow(config.store.snapshots_folder(), FileAccess::kAll);
  make.AllowAround(config.users.database, FileAccess::kFiles);
  make.AllowAround(config.users.usage, FileAccess::kFiles);
  make.AllowAround(config.lmtp.socket, FileAccess::kSockets);
  make.AllowAround(config.admin.socket, FileAccess::kSockets);
  make.AllowAround(fs::absolute(config_path).string(), FileAccess::kRead);
  make.AllowFolder(config.users.tenants, FileAccess::kRead);
  make.AllowFolder(config.tls.certificates, FileAccess::kRead);
  for (const std::string* file :
       {&config.tls.certificate, &config.tls.key, &config.tls.client_ca}) {
    make.AllowAround(*file, FileAccess::kRead);
  }
  for (const tenant::BackendConfig& backend : config.backends) {
    if (backend.driver == tenant::BackendDriver::kPasswdFile) {
      make.AllowAround(backend.file, FileAccess::kRead);
    }
  }
  for (const std::string& path : config.server.sandbox_reads) make.Allow(path, FileAccess::kRead);
  for (const char* const path : kOfTheMachine) make.Allow(path, FileAccess::kRead);
  AllowPorts(config, make.rules());
  // Where the service manager listens.
  const char* const notify = std::getenv("NOTIFY_SOCKET");
  make.rules().may_reach_abstract = notify != nullptr && *notify == '@';
  return make.Take();
}

LandlockRules HostRules(const std::string& plugin, const std::vector<std::string>& reads) {
  RuleMaker make;
  make.Allow(plugin, FileAccess::kRead);
  for (const std::string& path : reads) make.Allow(path, FileAccess::kRead);
  for (const char* const path : kOfTheMachine) make.Allow(path, FileAccess::kRead);
  for (const char* const path : kOfTheSystem) make.Allow(path, FileAccess::kRead);
  for (const char* const path : kOfEtc) make.Allow(path, FileAccess::kRead);
  make.rules().may_connect = true;
  make.rules().bind_ports = {0};
  return make.Take();
}

std::vector<std::string> SingleFiles(const LandlockRules& rules) {
  std::vector<std::string> files;
  for (const sandbox::AllowedPath& allowed : rules.paths) {
    struct stat status{};
    const bool is_there = ::stat(allowed.path.c_str(), &status) == 0;
    if (!is_there || S_ISREG(status.st_mode)) files.push_back(allowed.path);
  }
  return files;
}

LandlockRules LauncherRules() {
  RuleMaker make;
  make.Allow("/", FileAccess::kRead);
  make.Allow("/proc/self/exe", FileAccess::kRun);
  make.Allow(LoaderPath(), FileAccess::kRun);
  make.rules().may_connect = true;
  make.rules().bind_ports = {0};
  return make.Take();
}

std::map<std::string, std::vector<std::string>> HostArguments(const tenant::Config& config) {
  std::map<std::string, std::vector<std::string>> reads_of;
  for (const tenant::BackendConfig& backend : config.backends) {
    if (backend.driver != tenant::BackendDriver::kPlugin) continue;
    auto& reads = reads_of.try_emplace(backend.plugin, config.auth.host_reads).first->second;
    for (const auto& [name, value] : backend.settings) {
      if (!tenant::NamesFile(name) || value.empty()) continue;
      if (std::ranges::find(reads, value) == reads.end()) reads.push_back(value);
    }
  }
  std::map<std::string, std::vector<std::string>> arguments;
  for (const auto& [plugin, reads] : reads_of) {
    std::vector<std::string>& words = arguments[plugin];
    words = {"--sandbox", WordFor(config.server.sandbox)};
    for (const std::string& path : reads) words.insert(words.end(), {"--read", path});
  }
  return arguments;
}

}  // namespace poplar::app
