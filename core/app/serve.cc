#include "core/app/serve.h"

#include <pthread.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "core/app/inherited_sockets.h"
#include "core/app/service.h"
#include "core/app/start_watch.h"
#include "core/app/store_options.h"
#include "core/app/watchdog.h"
#include "core/base/log.h"
#include "core/io/probe.h"

namespace poplar::app {
namespace {

// How often the default certificate's files are looked at; those of hosts have the same period.
constexpr timespec kLookPeriod{.tv_sec = 5, .tv_nsec = 0};

// What is not there at a start is what `poplar init` makes, or what the configuration misnames; or
// its file system is not mounted, and then a new one is the last that anybody wants.
std::string HintFor(const tenant::Config& config) {
  std::error_code error;
  const bool no_store = !std::filesystem::exists(config.store.path, error) ||
                        std::filesystem::is_empty(config.store.path, error);
  const bool users_without_store =
      no_store && std::filesystem::exists(config.users.database, error);
  return users_without_store
             ? " (but " + config.users.database + " is: is the store's file system mounted?)"
             : " (`poplar init` makes what a server needs)";
}

ExitCode FailStart(const Status& status, const tenant::Config& config) {
  const bool missing = status.code() == StatusCode::kNotFound;
  std::fprintf(stderr, "poplar: %s%s\n", std::string(Message(status)).c_str(),
               missing ? HintFor(config).c_str() : "");
  const bool configured_wrongly = missing || status.code() == StatusCode::kInvalidArgument;
  return configured_wrongly ? ExitCode::kConfig : ExitCodeOf(status);
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  return signals;
}

// The signals that this process answers to, held back from every thread: the main thread takes them
// one by one.
sigset_t HoldSignals() {
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets by write(2).
  // The first process of a container inherits those whose parents have ended.
  if (getpid() == 1) signal(SIGCHLD, SIG_IGN);
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

void Reload(Service& service, const std::string& config_path) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
             static_cast<unsigned long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000);
  auto next = tenant::LoadConfig(config_path);
  const Status status = next.ok() ? service.Reload(*next) : next.status();
  if (!next.ok()) service.ReloadRefused();
  if (status.ok()) {
    base::Log(base::LogLevel::kInfo, "reloaded", {{"config", config_path}});
  } else {
    base::Log(base::LogLevel::kError, "reload_refused", {{"reason", Message(status)}});
  }
  sd_notify(0, "READY=1");
}

// What closing the store may take beyond the sessions' limit, before a service manager that follows
// the word of its own services loses its patience.
constexpr uint64_t kCloseLimitS = 300;

void TellStopping(uint32_t drain_limit_s) {
  sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
             static_cast<unsigned long long>(drain_limit_s + kCloseLimitS) * 1'000'000);
}

}  // namespace

ExitCode RunServer(const tenant::Config& config, const std::string& config_path) {
  const sigset_t signals = HoldSignals();
  StatusOr<InheritedSockets> inherited = TakeInheritedSockets(config);
  if (!inherited.ok()) return FailStart(inherited.status(), config);
  const Status probed = io::ProbeKernel({});
  if (!probed.ok()) return FailStart(probed, config);
  // Before the log's thread: threads are in the sandbox that were started in it.
  const auto sandbox = ServerSandbox::Enter(config, config_path);
  if (!sandbox.ok()) return FailStart(sandbox.status(), config);
  base::StartLog({.level = config.log.level, .format = config.log.format});
  StartWatch watch;
  auto service = Service::Start(config, Service::Usage::kWritten, **sandbox, *std::move(inherited),
                                [&watch] { watch.End(); });
  watch.End();
  if (!service.ok()) {
    base::StopLog();
    return FailStart(service.status(), config);
  }
  base::Log(base::LogLevel::kInfo, "ready", {});
  sd_notify(0, "READY=1");
  std::unique_ptr<Watchdog> watchdog = Watchdog::Start((*service)->shards());

  int number = 0;
  while (number != SIGTERM && number != SIGINT) {
    number = sigtimedwait(&signals, nullptr, &kLookPeriod);
    if (number == SIGHUP) Reload(**service, config_path);
    if (number < 0) (*service)->LookAtCertificate();  // Nothing came in that time.
  }

  TellStopping((*service)->drain_limit_s());
  const Status ended = (*service)->Drain();
  watchdog.reset();
  service->reset();
  base::Log(ended.ok() ? base::LogLevel::kInfo : base::LogLevel::kError, "stopped",
            {{"ok", ended.ok()}, {"reason", Message(ended)}});
  base::StopLog();
  return ExitCodeOf(ended);
}

ExitCode ServePrivately(const tenant::Config& config, Console& console,
                        const std::function<ExitCode()>& command) {
  const Status probed = io::ProbeKernel({});
  if (!probed.ok()) return FailStart(probed, config);
  const Status may = MayWriteStore(config.store);
  if (!may.ok()) return Fail(console, may);
  tenant::Config closed = config;
  closed.pop3.listen.clear();
  closed.pop3s.listen.clear();
  closed.lmtp.listen.clear();
  closed.lmtp.socket.clear();
  closed.http.listen.reset();
  closed.setup.listen.clear();
  closed.tls.certificate.clear();
  base::StartLog({.level = base::LogLevel::kWarning, .format = config.log.format});
  // The threads that start here are never interrupted; the command's own are.
  sigset_t before;
  const sigset_t held = EndSignals();
  pthread_sigmask(SIG_BLOCK, &held, &before);
  const auto open = ServerSandbox::Open(closed);
  auto service = Service::Start(closed, Service::Usage::kNotCounted, *open);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!service.ok()) {
    base::StopLog();
    return FailStart(service.status(), config);
  }
  const ExitCode code = command();
  const Status ended = (*service)->Drain();
  service->reset();
  base::StopLog();
  return ended.ok() ? code : Fail(console, ended);
}

}  // namespace poplar::app
